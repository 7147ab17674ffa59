/// Rows of a table, looked up by their numbers.
///
/// Letters: N rows of the output, V rows of the table.
package enum Lookup {
  /// `y[row] = table[ids[row]]`.
  ///
  /// - Parameters:
  ///   - table: [V, width].
  ///   - ids: N numbers, 0 ..< V.
  ///   - y: [N, width].
  package static func forward(_ table: Tensor, ids: UnsafeBufferPointer<Int>, into y: Tensor) {
    precondition(ids.count == y.rows && table.columns == y.columns, "shapes differ")
    for row in 0..<y.rows {
      check(ids[row], in: table)
      y.row(row).update(from: table.row(ids[row]), count: y.columns)
    }
  }

  /// `dtable[v] = sum of dy[row] over the rows with ids[row] = v`, or adds it.
  ///
  /// The rows of each segment are added in ascending order, then the segments in their tree. A
  /// segment without the number v has no place in the tree of row v: nothing is added for it.
  ///
  /// - Parameters:
  ///   - dy: [N, width].
  ///   - ids: N numbers, 0 ..< V.
  ///   - segments: the rows of each micro-batch.
  ///   - dtable: [V, width].
  ///   - accumulate: whether the sum is added to `dtable`.
  ///   - arena: for scratch memory, released on return.
  package static func backward(
    _ dy: Tensor, ids: UnsafeBufferPointer<Int>, segments: RowSegments, into dtable: Tensor,
    accumulate: Bool, arena: StepArena
  ) {
    precondition(
      ids.count == dy.rows && dtable.columns == dy.columns && segments.rowCount == dy.rows,
      "shapes differ")
    if !accumulate { dtable.fill(0) }
    arena.temporarily {
      // The rows with the same number form a list in ascending order; -1 ends it.
      let first = arena.allocate(Int.self, count: dtable.rows)
      let next = arena.allocate(Int.self, count: dy.rows)
      first.initialize(repeating: -1)
      for row in (0..<dy.rows).reversed() {
        check(ids[row], in: dtable)
        next.initializeElement(at: row, to: first[ids[row]])
        first[ids[row]] = row
      }
      for id in 0..<dtable.rows where first[id] >= 0 {
        forEachVector(count: dy.columns) { start, length in
          var row = first[id]
          let sum = segments.sparseTreeSum { rows in
            guard row >= 0, row < rows.upperBound else { return nil }
            var sum = SIMD8<Float>(repeating: 0)
            while row >= 0 && row < rows.upperBound {
              sum += SIMD8(dy.row(row) + start, length: length)
              row = next[row]
            }
            return sum
          }
          sum.store(dtable.row(id) + start, length: length, accumulate: accumulate)
        }
      }
    }
  }

  private static func check(_ id: Int, in table: Tensor) {
    precondition(0 <= id && id < table.rows, "\(id) is not in 0 ..< \(table.rows)")
  }
}
