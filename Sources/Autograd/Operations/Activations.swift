import TensorCore

extension Tape {
  /// `y = tanh(x)`, element by element.
  package func tanh(_ x: Variable) -> Variable {
    let y = makeVariable(like: x)
    Activation.tanhForward(x.value, into: y.value, workers: workers)
    record(TanhOperation(x: x, y: y))
    return y
  }

  /// `y = 1 / (1 + exp(-x))`, element by element.
  package func sigmoid(_ x: Variable) -> Variable {
    let y = makeVariable(like: x)
    Activation.sigmoidForward(x.value, into: y.value, workers: workers)
    record(SigmoidOperation(x: x, y: y))
    return y
  }

  /// `y = max(x, 0)`, element by element.
  package func relu(_ x: Variable) -> Variable {
    let y = makeVariable(like: x)
    Activation.reluForward(x.value, into: y.value, workers: workers)
    record(ReLUOperation(x: x, y: y))
    return y
  }

  /// The softmax of every row, for rows of a few elements.
  ///
  /// - Parameter x: [N, K].
  /// - Returns: [N, K].
  package func softmax(_ x: Variable) -> Variable {
    let y = makeVariable(like: x)
    Classification.softmaxForward(x.value, into: y.value)
    record(SoftmaxOperation(x: x, y: y))
    return y
  }

  /// `y = a b`, element by element.
  package func multiply(_ a: Variable, _ b: Variable) -> Variable {
    let y = makeVariable(
      rows: a.value.rows, columns: a.value.columns, in: commonSpace(a.space, b.space))
    Elementwise.multiply(a.value, b.value, into: y.value, accumulate: false, workers: workers)
    record(ProductOperation(a: a, b: b, y: y))
    return y
  }

  /// The exact Gaussian error linear unit, `y = x (1 + erf(x / sqrt 2)) / 2`.
  package func gelu(_ x: Variable) -> Variable {
    let y = makeVariable(like: x)
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

private struct ReLUOperation: Operation {
  let x: Variable
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      Activation.reluBackward(
        dy, output: y.value, into: dx, accumulate: accumulate, workers: tape.workers)
    }
  }
}

private struct SoftmaxOperation: Operation {
  let x: Variable
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      Classification.softmaxBackward(dy, output: y.value, into: dx, accumulate: accumulate)
    }
  }
}

private struct ProductOperation: Operation {
  let a: Variable
  let b: Variable
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    contribute(to: a, dy, times: b.value, on: tape)
    contribute(to: b, dy, times: a.value, on: tape)
  }

  private func contribute(
    to input: Variable, _ dy: Tensor, times other: Tensor, on tape: Tape
  ) {
    tape.contribute(to: input) { gradient, accumulate in
      Elementwise.multiply(
        dy, other, into: gradient, accumulate: accumulate, workers: tape.workers)
    }
  }
}
