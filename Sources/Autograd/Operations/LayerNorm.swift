import TensorCore

extension Tape {
  /// Layer normalisation of every row.
  ///
  /// - Parameters:
  ///   - x: [N, width].
  ///   - gamma: scale, [1, width].
  ///   - beta: shift, [1, width].
  ///   - epsilon: added to the variance.
  package func layerNorm(
    _ x: Variable, gamma: Variable, beta: Variable, epsilon: Float
  ) -> Variable {
    let y = makeVariable(like: x)
    let normalized = arena.tensor(rows: x.value.rows, columns: x.value.columns)
    let reciprocals = arena.tensor(rows: x.value.rows, columns: 1)
    Normalization.forward(
      x.value, gamma: gamma.value, beta: beta.value, epsilon: epsilon, normalized: normalized,
      reciprocals: reciprocals, into: y.value)
    countUse(of: gamma)
    countUse(of: beta)
    record(
      LayerNormOperation(
        x: x, gamma: gamma, beta: beta, y: y, normalized: normalized, reciprocals: reciprocals))
    return y
  }
}

private struct LayerNormOperation: Operation {
  let x: Variable
  let gamma: Variable
  let beta: Variable
  let y: Variable
  let normalized: Tensor
  let reciprocals: Tensor

  func backward(on tape: Tape) {
    tape.contributeBias(beta, outputGradient: y.gradient, in: y.space)
    tape.contributeUse(
      of: gamma, outputGradient: y.gradient, in: y.space, .scaledRow(normalized: normalized))
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      Normalization.backward(
        dy, gamma: gamma.value, normalized: normalized, reciprocals: reciprocals, into: dx,
        accumulate: accumulate)
    }
  }
}
