import TensorCore

/// The rows of one kind in a pass, such as its tokens or its utterances.
///
/// A row space states which rows form each micro-batch and each group. A variable keeps the space
/// of its rows, and a result has the space of its inputs. Parameters, and constants that are the
/// same for all rows, belong to no space. Rows of different spaces cannot be combined;
/// ``Tape/spanMean(_:over:in:)`` maps rows of one space to rows of another.
///
/// A space is a pointer into the step's arena: it is valid until the tape is reset, and two spaces
/// are equal if they were made by the same call.
package struct RowSpace: BitwiseCopyable, Equatable {
  private struct Contents: BitwiseCopyable {
    let segments: RowSegments
    let groups: RowGroups
  }

  private let contents: UnsafePointer<Contents>

  /// Stores the segments and groups in the arena.
  ///
  /// - Precondition: both have the same number of rows, and no group crosses the bound of a
  ///   segment.
  fileprivate init(segments: RowSegments, groups: RowGroups, arena: StepArena) {
    precondition(
      segments.rowCount == groups.rowCount,
      "segments have \(segments.rowCount) rows, groups \(groups.rowCount)")
    var group = 0
    for segment in 0..<segments.count {
      let rows = segments.rows(segment)
      while group < groups.count, groups.rows(of: group).upperBound <= rows.upperBound {
        precondition(
          groups.rows(of: group).lowerBound >= rows.lowerBound,
          "group \(group) crosses the bound of a micro-batch at row \(rows.lowerBound)")
        group += 1
      }
    }
    contents = UnsafePointer(arena.store(Contents(segments: segments, groups: groups)))
  }

  /// The rows of each micro-batch, within which rows are summed first.
  package var segments: RowSegments { contents.pointee.segments }

  /// The rows of each group, over which a recurrence or an attention runs.
  package var groups: RowGroups { contents.pointee.groups }

  /// The number of rows.
  package var rowCount: Int { segments.rowCount }
}

extension Tape {
  /// Makes a row space, valid until the tape is reset.
  ///
  /// Sums over the rows of a space, such as losses and gradients of parameters, are taken within
  /// each micro-batch first, so that micro-batches give the same bits in one pass as in a pass
  /// each, if the products are reproducible.
  ///
  /// - Parameters:
  ///   - segments: the rows of each micro-batch.
  ///   - groups: the rows of each group, within one micro-batch each. Dropout masks depend on the
  ///     identifiers.
  package func makeRowSpace(segments: RowSegments, groups: RowGroups) -> RowSpace {
    RowSpace(segments: segments, groups: groups, arena: arena)
  }

  /// The space of two inputs, of which either may have none.
  ///
  /// - Precondition: they do not have different spaces.
  func commonSpace(_ a: RowSpace?, _ b: RowSpace?) -> RowSpace? {
    guard let a else { return b }
    precondition(b == nil || a == b, "rows of different spaces cannot be combined")
    return a
  }

  /// The space of all variables of a list; see ``commonSpace(_:_:)``.
  func commonSpace(_ variables: VariableList) -> RowSpace? {
    variables.reduce(nil) { commonSpace($0, $1.space) }
  }

  /// The micro-batches of rows; one of all rows, if they belong to no space.
  func segments(ofRows count: Int, in space: RowSpace?) -> RowSegments {
    space?.segments ?? RowSegments(offsets: bounds(ofRows: count))
  }

  /// The groups of rows; one of all rows, if they belong to no space.
  func groups(ofRows count: Int, in space: RowSpace?) -> RowGroups {
    if let space { return space.groups }
    let identifiers = arena.allocate(Int.self, count: 1)
    identifiers.initializeElement(at: 0, to: 0)
    return RowGroups(
      offsets: bounds(ofRows: count), identifiers: UnsafeBufferPointer(identifiers))
  }

  private func bounds(ofRows count: Int) -> UnsafeBufferPointer<Int> {
    let offsets = arena.allocate(Int.self, count: 2)
    offsets.initializeElement(at: 0, to: 0)
    offsets.initializeElement(at: 1, to: count)
    return UnsafeBufferPointer(offsets)
  }

  /// A sum over the rows of each micro-batch.
  ///
  /// - Parameters:
  ///   - count: N, the number of rows.
  ///   - space: the space of the N rows.
  ///   - sum: returns the sum over some rows; called for micro-batches in ascending order.
  func sums(
    ofRows count: Int, in space: RowSpace?, _ sum: (_ rows: Range<Int>) -> Double
  ) -> SegmentSums {
    let segments = segments(ofRows: count, in: space)
    let values = arena.allocate(Double.self, count: segments.count)
    for index in 0..<segments.count {
      values.initializeElement(at: index, to: sum(segments.rows(index)))
    }
    return SegmentSums(UnsafeBufferPointer(values))
  }
}
