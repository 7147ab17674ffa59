import TensorCore

extension Tape {
  /// `y = x W^T + b`, or `y = x W^T`.
  ///
  /// - Parameters:
  ///   - x: [N, in].
  ///   - weight: W, [out, in].
  ///   - bias: b, [1, out], or nil.
  /// - Returns: y, [N, out].
  package func linear(_ x: Variable, weight: Variable, bias: Variable?) -> Variable {
    let y = makeVariable(like: x, columns: weight.value.rows)
    if let bias {
      Elementwise.broadcastRow(bias.value, into: y.value)
    } else {
      y.value.fill(0)
    }
    products.addForward(
      x.value, weight: weight.value, into: y.value, arena: arena, workers: workers)
    countUse(of: weight)
    if let bias { countUse(of: bias) }
    record(LinearOperation(x: x, weight: weight, bias: bias, y: y))
    return y
  }

  /// Contributes the gradient of W in `y = x W^T`.
  func contributeWeight(_ weight: Variable, outputGradient dy: Tensor?, input x: Variable) {
    contributeUse(of: weight, outputGradient: dy, in: x.space, .product(x: x.value))
  }

  /// Contributes the gradient of a row that was added to every row of y.
  func contributeBias(_ bias: Variable, outputGradient dy: Tensor?, in space: RowSpace?) {
    contributeUse(of: bias, outputGradient: dy, in: space, .row)
  }

  /// Contributes the gradient of x in `y = x W^T`.
  func contributeInput(_ x: Variable, outputGradient dy: Tensor, weight: Tensor) {
    contribute(to: x) { dx, accumulate in
      products.inputGradient(
        dy, weight: weight, into: dx, accumulate: accumulate, arena: arena, workers: workers)
    }
  }
}

private struct LinearOperation: Operation {
  let x: Variable
  let weight: Variable
  let bias: Variable?
  let y: Variable

  func backward(on tape: Tape) {
    if let bias { tape.contributeBias(bias, outputGradient: y.gradient, in: y.space) }
    tape.contributeWeight(weight, outputGradient: y.gradient, input: x)
    guard let dy = y.gradient else { return }
    tape.contributeInput(x, outputGradient: dy, weight: weight.value)
  }
}
