import TensorCore

/// The weights of one direction of an LSTM or a GRU as variables, laid out as in PyTorch.
///
/// D input width, H hidden width, G gates: 4 of an LSTM (i, f, g, o), 3 of a GRU (r, z, n).
package struct RecurrentWeights: BitwiseCopyable {
  let input: Variable
  let recurrent: Variable
  let inputBias: Variable
  let recurrentBias: Variable

  /// - Parameters:
  ///   - input: W_ih, [G H, D].
  ///   - recurrent: W_hh, [G H, H].
  ///   - inputBias: b_ih, [1, G H].
  ///   - recurrentBias: b_hh, [1, G H].
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

  fileprivate var tensors: RecurrentTensors {
    RecurrentTensors(
      input: input.value, recurrent: recurrent.value, inputBias: inputBias.value,
      recurrentBias: recurrentBias.value)
  }
}

extension Tape {
  /// A long short-term memory over each group of rows; rows of no space form one group.
  ///
  /// - Parameters:
  ///   - x: packed rows, [N, D].
  ///   - forward: the weights of the direction that reads each group from its first row.
  ///   - reverse: the weights of the opposite direction; nil for one direction.
  /// - Returns: the hidden states, [N, H], or those of both directions side by side, [N, 2H].
  package func lstm(
    _ x: Variable, forward: RecurrentWeights, reverse: RecurrentWeights?
  ) -> Variable {
    recurrence(LSTMDirection.self, over: x, forward, reverse)
  }

  /// A gated recurrent unit over each group of rows; rows of no space form one group.
  ///
  /// - Parameters:
  ///   - x: packed rows, [N, D].
  ///   - forward: the weights of the direction that reads each group from its first row.
  ///   - reverse: the weights of the opposite direction; nil for one direction.
  /// - Returns: the hidden states, [N, H], or those of both directions side by side, [N, 2H].
  package func gru(
    _ x: Variable, forward: RecurrentWeights, reverse: RecurrentWeights?
  ) -> Variable {
    recurrence(GRUDirection.self, over: x, forward, reverse)
  }

  private func recurrence<Direction: RecurrentDirection>(
    _ kind: Direction.Type, over x: Variable, _ forward: RecurrentWeights,
    _ reverse: RecurrentWeights?
  ) -> Variable {
    let hidden = forward.recurrent.value.columns
    let y = makeVariable(like: x, columns: reverse == nil ? hidden : 2 * hidden)
    let order = TimeMajor(groups(ofRows: x.value.rows, in: x.space), arena: arena)
    func half(_ weights: RecurrentWeights, isReverse: Bool) -> RecurrentHalf<Direction> {
      RecurrentHalf(
        kernel: Direction(
          reverse: isReverse, order: order, hiddenWidth: hidden, arena: arena),
        weights: weights, firstColumn: isReverse ? hidden : 0)
    }
    let operation = RecurrenceOperation(
      x: x, y: y, forward: half(forward, isReverse: false),
      reverse: reverse.map { half($0, isReverse: true) })
    operation.forward(on: self)
    forward.countUses(on: self)
    reverse?.countUses(on: self)
    record(operation)
    return y
  }
}

/// One direction of a recurrence, and the columns of the output that it writes.
private struct RecurrentHalf<Direction: RecurrentDirection>: BitwiseCopyable {
  let kernel: Direction
  let weights: RecurrentWeights
  let firstColumn: Int

  func projectInputs(_ x: Variable, on tape: Tape) {
    kernel.projectInputs(
      x.value, weights.tensors, products: tape.products, arena: tape.arena, workers: tape.workers)
  }

  /// Reports the uses of the weights, in the reverse order of the forward pass.
  func contributeWeights(_ gates: (input: Tensor, recurrent: Tensor)?, x: Variable, on tape: Tape) {
    tape.contributeBias(
      weights.recurrentBias, outputGradient: gates?.recurrent, in: x.space)
    tape.contributeBias(weights.inputBias, outputGradient: gates?.input, in: x.space)
    tape.contributeUse(
      of: weights.recurrent, outputGradient: gates?.recurrent, in: x.space,
      .product(x: kernel.precedingHidden(arena: tape.arena)))
    tape.contributeWeight(weights.input, outputGradient: gates?.input, input: x)
  }
}

private struct RecurrenceOperation<Direction: RecurrentDirection>: Operation {
  let x: Variable
  let y: Variable
  let forward: RecurrentHalf<Direction>
  let reverse: RecurrentHalf<Direction>?

  func forward(on tape: Tape) {
    forward.projectInputs(x, on: tape)
    reverse?.projectInputs(x, on: tape)
    forEachHalf(on: tape) { half, packed in
      half.kernel.forward(
        packedRecurrent: packed, into: y.value, firstColumn: half.firstColumn)
    } packing: {
      PanelMatrix(packingTransposeOf: $0, arena: tape.arena)
    }
  }

  func backward(on tape: Tape) {
    guard let dy = y.gradient else {
      reverse?.contributeWeights(nil, x: x, on: tape)
      forward.contributeWeights(nil, x: x, on: tape)
      return
    }
    forEachHalf(on: tape) { half, packed in
      half.kernel.backward(dy, packedRecurrent: packed, firstColumn: half.firstColumn)
    } packing: {
      PanelMatrix(packing: $0, arena: tape.arena)
    }
    let forwardGates = forward.kernel.gateGradients(arena: tape.arena)
    let reverseGates = reverse?.kernel.gateGradients(arena: tape.arena)
    reverse?.contributeWeights(reverseGates, x: x, on: tape)
    forward.contributeWeights(forwardGates, x: x, on: tape)
    contributeInput(forwardGates.input, forward.weights, on: tape)
    if let reverse, let reverseGates {
      contributeInput(reverseGates.input, reverse.weights, on: tape)
    }
  }

  private func contributeInput(_ gates: Tensor, _ weights: RecurrentWeights, on tape: Tape) {
    tape.contributeInput(x, outputGradient: gates, weight: weights.input.value)
  }

  /// Packs W_hh of each direction and calls `body` for each, concurrently if there are two threads.
  private func forEachHalf(
    on tape: Tape, _ body: (RecurrentHalf<Direction>, PanelMatrix) -> Void,
    packing: (Tensor) -> PanelMatrix
  ) {
    let first = packing(forward.weights.recurrent.value)
    guard let reverse else { return body(forward, first) }
    let second = packing(reverse.weights.recurrent.value)
    tape.workers.both {
      body(forward, first)
    } _: {
      body(reverse, second)
    }
  }
}
