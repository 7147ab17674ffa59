import TensorCore

extension Tape {
  /// `y = x W^T + b`.
  ///
  /// - Parameters:
  ///   - x: [N, in].
  ///   - weight: W, [out, in].
  ///   - bias: b, [1, out].
  /// - Returns: y, [N, out].
  package func linear(_ x: Variable, weight: Variable, bias: Variable) -> Variable {
    let y = makeVariable(rows: x.value.rows, columns: weight.value.rows)
    Elementwise.broadcastRow(bias.value, into: y.value)
    products.addForward(
      x.value, weight: weight.value, into: y.value, arena: arena, workers: workers)
    record(LinearOperation(x: x, weight: weight, bias: bias, y: y))
    return y
  }

  /// Contributes the gradient of W in `y = x W^T`.
  func contributeWeight(_ weight: Variable, outputGradient dy: Tensor, input x: Tensor) {
    contribute(to: weight) { dWeight, accumulate in
      let segments = segments(ofRows: x.rows)
      precondition(
        !accumulate || segments.count == 1,
        "a weight that is used twice needs an operation that sums within micro-batches")
      products.weightGradient(
        dy, x, segments: segments, into: dWeight, accumulate: accumulate, arena: arena,
        workers: workers)
    }
  }

  /// Contributes the gradient of a row that was added to every row of y.
  func contributeBias(_ bias: Variable, outputGradient dy: Tensor) {
    contribute(to: bias) { dBias, accumulate in
      Elementwise.sumRows(
        dy, segments: segments(ofRows: dy.rows), into: dBias, accumulate: accumulate)
    }
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
  let bias: Variable
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contributeWeight(weight, outputGradient: dy, input: x.value)
    tape.contributeBias(bias, outputGradient: dy)
    tape.contributeInput(x, outputGradient: dy, weight: weight.value)
  }
}
