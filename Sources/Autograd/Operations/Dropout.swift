import TensorCore

extension Tape {
  /// Inverted dropout: elements become 0 or are multiplied by `1 / (1 - probability)`.
  ///
  /// The masks are functions of the identifiers of the groups of `x`.
  ///
  /// - Parameters:
  ///   - x: rows of a space, [N, width].
  ///   - layer: the layer, whose name the masks depend on.
  ///   - randomness: that of the step; nil to return `x`, as in evaluation.
  package func dropout(
    _ x: Variable, layer: Dropout, randomness: Dropout.Randomness?
  ) -> Variable {
    guard let randomness else { return x }
    guard let space = x.space else {
      preconditionFailure("dropout needs rows of a space, whose groups have identifiers")
    }
    let y =
      x.isConstant
      ? makeConstant(rows: x.value.rows, columns: x.value.columns, in: space)
      : makeVariable(like: x)
    let mask = arena.tensor(rows: x.value.rows, columns: x.value.columns)
    layer.fill(mask, groups: space.groups, randomness: randomness, workers: workers)
    Elementwise.multiply(x.value, mask, into: y.value, accumulate: false, workers: workers)
    record(DropoutOperation(x: x, y: y, mask: mask))
    return y
  }
}

private struct DropoutOperation: Operation {
  let x: Variable
  let y: Variable
  let mask: Tensor

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      Elementwise.multiply(dy, mask, into: dx, accumulate: accumulate, workers: tape.workers)
    }
  }
}
