import TensorCore

extension Tape {
  /// `y[row] = table[ids[row]]`.
  ///
  /// - Parameters:
  ///   - ids: N numbers, 0 ..< V, which outlive the pass.
  ///   - table: [V, width].
  ///   - space: the space of the N rows; nil if they belong to none.
  /// - Returns: y, [N, width].
  package func lookup(
    _ ids: UnsafeBufferPointer<Int>, in table: Variable, space: RowSpace?
  ) -> Variable {
    let y = makeVariable(rows: ids.count, columns: table.value.columns, in: space)
    Lookup.forward(table.value, ids: ids, into: y.value)
    countUse(of: table)
    record(LookupOperation(ids: ids, table: table, y: y))
    return y
  }
}

private struct LookupOperation: Operation {
  let ids: UnsafeBufferPointer<Int>
  let table: Variable
  let y: Variable

  func backward(on tape: Tape) {
    tape.contributeUse(
      of: table, outputGradient: y.gradient, in: y.space, .lookup(ids: ids))
  }
}
