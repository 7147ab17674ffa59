import TensorCore

/// The weights of one direction of an LSTM as variables, laid out as in PyTorch's `nn.LSTM`.
package struct LSTMWeights: BitwiseCopyable {
  let input: Variable
  let recurrent: Variable
  let inputBias: Variable
  let recurrentBias: Variable

  /// - Parameters:
  ///   - input: W_ih, [4H, D].
  ///   - recurrent: W_hh, [4H, H].
  ///   - inputBias: b_ih, [1, 4H].
  ///   - recurrentBias: b_hh, [1, 4H].
  package init(input: Variable, recurrent: Variable, inputBias: Variable, recurrentBias: Variable) {
    self.input = input
    self.recurrent = recurrent
    self.inputBias = inputBias
    self.recurrentBias = recurrentBias
  }

  fileprivate func countUses(on tape: Tape) {
    tape.countUse(of: input)
    tape.countUse(of: recurrent)
    tape.countUse(of: inputBias)
    tape.countUse(of: recurrentBias)
  }

  fileprivate var values: LSTMDirection.Weights {
    LSTMDirection.Weights(
      input: input.value, recurrent: recurrent.value, inputBias: inputBias.value,
      recurrentBias: recurrentBias.value)
  }
}

extension Tape {
  /// A bidirectional LSTM over each group of rows; rows of no space form one group.
  ///
  /// - Parameters:
  ///   - x: packed rows, [N, D].
  ///   - forward: the weights of the reading direction.
  ///   - reverse: the weights of the opposite direction.
  /// - Returns: the hidden states of both directions side by side, [N, 2H].
  package func bidirectionalLSTM(
    _ x: Variable, forward: LSTMWeights, reverse: LSTMWeights
  ) -> Variable {
    let hidden = forward.recurrent.value.columns
    let y = makeVariable(like: x, columns: 2 * hidden)
    let order = TimeMajor(groups(ofRows: x.value.rows, in: x.space), arena: arena)
    func direction(reverse: Bool) -> LSTMDirection {
      LSTMDirection(reverse: reverse, order: order, hiddenWidth: hidden, arena: arena)
    }
    let operation = LSTMOperation(
      x: x, y: y, forward: direction(reverse: false), reverse: direction(reverse: true),
      forwardWeights: forward, reverseWeights: reverse)
    operation.forward(on: self)
    forward.countUses(on: self)
    reverse.countUses(on: self)
    record(operation)
    return y
  }
}

private struct LSTMOperation: Operation {
  let x: Variable
  let y: Variable
  let forward: LSTMDirection
  let reverse: LSTMDirection
  let forwardWeights: LSTMWeights
  let reverseWeights: LSTMWeights

  private var hiddenWidth: Int { y.value.columns / 2 }

  func forward(on tape: Tape) {
    readInputs(forward, forwardWeights, on: tape)
    readInputs(reverse, reverseWeights, on: tape)
    let first = PanelMatrix(packingTransposeOf: forwardWeights.recurrent.value, arena: tape.arena)
    let second = PanelMatrix(packingTransposeOf: reverseWeights.recurrent.value, arena: tape.arena)
    tape.workers.both {
      forward.forward(packedRecurrent: first, into: y.value, firstColumn: 0)
    } _: {
      reverse.forward(packedRecurrent: second, into: y.value, firstColumn: hiddenWidth)
    }
  }

  private func readInputs(_ direction: LSTMDirection, _ weights: LSTMWeights, on tape: Tape) {
    direction.readInputs(
      x.value, weights.values, products: tape.products, arena: tape.arena, workers: tape.workers)
  }

  func backward(on tape: Tape) {
    guard let dy = y.gradient else {
      contribute(reverse, reverseWeights, gates: nil, on: tape)
      contribute(forward, forwardWeights, gates: nil, on: tape)
      return
    }
    let first = PanelMatrix(packing: forwardWeights.recurrent.value, arena: tape.arena)
    let second = PanelMatrix(packing: reverseWeights.recurrent.value, arena: tape.arena)
    tape.workers.both {
      forward.backward(dy, packedRecurrent: first, firstColumn: 0)
    } _: {
      reverse.backward(dy, packedRecurrent: second, firstColumn: hiddenWidth)
    }
    let forwardGates = forward.gateGradients(arena: tape.arena)
    let reverseGates = reverse.gateGradients(arena: tape.arena)
    contribute(reverse, reverseWeights, gates: reverseGates, on: tape)
    contribute(forward, forwardWeights, gates: forwardGates, on: tape)
    tape.contributeInput(x, outputGradient: forwardGates, weight: forwardWeights.input.value)
    tape.contributeInput(x, outputGradient: reverseGates, weight: reverseWeights.input.value)
  }

  /// Reports the uses of the weights of one direction, the last one first.
  private func contribute(
    _ direction: LSTMDirection, _ weights: LSTMWeights, gates: Tensor?, on tape: Tape
  ) {
    tape.contributeBias(weights.recurrentBias, outputGradient: gates, in: x.space)
    tape.contributeBias(weights.inputBias, outputGradient: gates, in: x.space)
    tape.contributeUse(
      of: weights.recurrent, outputGradient: gates, in: x.space,
      .product(x: direction.precedingHidden(arena: tape.arena)))
    tape.contributeWeight(weights.input, outputGradient: gates, input: x)
  }
}
