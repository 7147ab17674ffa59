import TensorCore

extension Tape {
  /// `y = tanh(x)`, element by element.
  package func tanh(_ x: Variable) -> Variable {
    let y = makeVariable(rows: x.value.rows, columns: x.value.columns)
    Activation.tanhForward(x.value, into: y.value, workers: workers)
    record(TanhOperation(x: x, y: y))
    return y
  }

  /// `y = 1 / (1 + exp(-x))`, element by element.
  package func sigmoid(_ x: Variable) -> Variable {
    let y = makeVariable(rows: x.value.rows, columns: x.value.columns)
    Activation.sigmoidForward(x.value, into: y.value, workers: workers)
    record(SigmoidOperation(x: x, y: y))
    return y
  }

  /// The exact Gaussian error linear unit, `y = x (1 + erf(x / sqrt 2)) / 2`.
  package func gelu(_ x: Variable) -> Variable {
    let y = makeVariable(rows: x.value.rows, columns: x.value.columns)
    let derivative = arena.tensor(rows: x.value.rows, columns: x.value.columns)
    Activation.geluForward(x.value, into: y.value, derivative: derivative, workers: workers)
    record(GELUOperation(x: x, y: y, derivative: derivative))
    return y
  }
}

private struct TanhOperation: Operation {
  let x: Variable
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      Activation.tanhBackward(
        dy, output: y.value, into: dx, accumulate: accumulate, workers: tape.workers)
    }
  }
}

private struct SigmoidOperation: Operation {
  let x: Variable
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      Activation.sigmoidBackward(
        dy, output: y.value, into: dx, accumulate: accumulate, workers: tape.workers)
    }
  }
}

private struct GELUOperation: Operation {
  let x: Variable
  let y: Variable
  let derivative: Tensor

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      Activation.geluBackward(
        dy, derivative: derivative, into: dx, accumulate: accumulate, workers: tape.workers)
    }
  }
}
