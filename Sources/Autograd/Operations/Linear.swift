import TensorCore

extension Tape {
  /// `y = x W^T + b`.
  ///
  /// - Parameters:
  ///   - x: [N, in].
  ///   - weight: W, [out, in].
  ///   - bias: b, [1, out].
  /// - Returns: y, [N, out].
  public func linear(_ x: Variable, weight: Variable, bias: Variable) -> Variable {
    let y = makeVariable(rows: x.value.rows, columns: weight.value.rows)
    Elementwise.broadcastRow(bias.value, into: y.value)
    MatrixProduct.multiply(x.value, weight.value.transposed, into: y.value, accumulate: true)
    record(LinearOperation(x: x, weight: weight, bias: bias, y: y))
    return y
  }
}

private struct LinearOperation: Operation {
  let x: Variable
  let weight: Variable
  let bias: Variable
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: weight) { dWeight, accumulate in
      MatrixProduct.multiply(dy.transposed, x.value, into: dWeight, accumulate: accumulate)
    }
    tape.contribute(to: bias) { dBias, accumulate in
      Elementwise.sumRows(dy, into: dBias, accumulate: accumulate)
    }
    tape.contribute(to: x) { dx, accumulate in
      MatrixProduct.multiply(dy, weight.value, into: dx, accumulate: accumulate)
    }
  }
}
