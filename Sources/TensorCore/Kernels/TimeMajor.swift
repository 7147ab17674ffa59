/// The order in which a recurrence processes packed rows: by time step, long groups first.
///
/// Step t holds one row of every group that is longer than t. Because groups are sorted by length,
/// the rows of a step are a prefix of the rows of the step before, and everything that a
/// step needs is contiguous.
package struct TimeMajor: BitwiseCopyable {
  /// The packed row at each time-major position, with each group from its first row to its last.
  let forwardRows: UnsafeMutableBufferPointer<Int>
  /// The packed row at each time-major position, with each group from its last row to its first.
  let reverseRows: UnsafeMutableBufferPointer<Int>
  /// Step t has positions `starts[t] ..< starts[t + 1]`.
  let starts: UnsafeMutableBufferPointer<Int>

  /// The number of steps, which is the length of the longest group.
  var stepCount: Int { starts.count - 1 }

  /// The number of rows.
  var rowCount: Int { forwardRows.count }

  /// The positions of the rows of one step.
  func positions(of step: Int) -> Range<Int> { starts[step]..<starts[step + 1] }

  /// The positions of the step before whose groups have a row at this step, in the same order.
  func precedingPositions(of step: Int) -> Range<Int> {
    let start = starts[step - 1]
    return start..<start + positions(of: step).count
  }

  /// Sorts groups by descending length, those of equal length by index.
  package init(_ groups: RowGroups, arena: StepArena) {
    let order = arena.allocate(Int.self, count: groups.count)
    for group in 0..<groups.count { order[group] = group }
    Self.sortByDescendingLength(order, groups)
    forwardRows = arena.allocate(Int.self, count: groups.rowCount)
    reverseRows = arena.allocate(Int.self, count: groups.rowCount)
    starts = arena.allocate(Int.self, count: groups.longest + 1)
    var position = 0
    for step in 0..<groups.longest {
      starts[step] = position
      for group in order {
        let rows = groups.rows(of: group)
        guard rows.count > step else { break }
        forwardRows[position] = rows.lowerBound + step
        reverseRows[position] = rows.upperBound - 1 - step
        position += 1
      }
    }
    starts[groups.longest] = position
  }

  /// Insertion sort, which is stable, in place and fast for the few groups of a batch.
  private static func sortByDescendingLength(
    _ order: UnsafeMutableBufferPointer<Int>, _ groups: RowGroups
  ) {
    for index in 1..<max(order.count, 1) {
      let group = order[index]
      let length = groups.rows(of: group).count
      var hole = index
      while hole > 0, groups.rows(of: order[hole - 1]).count < length {
        order[hole] = order[hole - 1]
        hole -= 1
      }
      order[hole] = group
    }
  }

  /// The row of the step before for every row, zero at the first of a group.
  ///
  /// - Parameters:
  ///   - source: time-major rows, [N, width].
  ///   - rows: the packed row at each position.
  /// - Returns: packed rows, [N, width].
  func precedingRows(
    of source: Tensor, rows: UnsafeMutableBufferPointer<Int>, arena: StepArena
  ) -> Tensor {
    let packed = arena.tensor(rows: source.rows, columns: source.columns)
    for step in 0..<stepCount {
      let positions = positions(of: step)
      for offset in 0..<positions.count {
        let target = packed.row(rows[positions.lowerBound + offset])
        if step == 0 {
          target.update(repeating: 0, count: source.columns)
        } else {
          target.update(from: source.row(starts[step - 1] + offset), count: source.columns)
        }
      }
    }
    return packed
  }

  /// Copies packed rows into time-major order.
  static func gather(
    _ source: Tensor, rows: UnsafeMutableBufferPointer<Int>, into target: Tensor,
    firstColumn: Int = 0
  ) {
    for position in 0..<rows.count {
      target.row(position).update(
        from: source.row(rows[position]) + firstColumn, count: target.columns)
    }
  }

  /// Copies time-major rows back into some columns of packed rows, or adds them.
  static func scatter(
    _ source: Tensor, rows: UnsafeMutableBufferPointer<Int>, into target: Tensor,
    firstColumn: Int = 0, accumulate: Bool = false
  ) {
    for position in 0..<rows.count {
      let from = source.row(position)
      let to = target.row(rows[position]) + firstColumn
      forEachVector(count: source.columns) { start, length in
        SIMD8(from + start, length: length)
          .store(to + start, length: length, accumulate: accumulate)
      }
    }
  }
}
