/// The segments of a packed tensor whose sums are the leaves of a tree: the rows of each
/// micro-batch.
package struct RowSegments: BitwiseCopyable {
  /// Segment s has rows `offsets[s] ..< offsets[s + 1]`; one more entry than segments.
  package let offsets: UnsafeBufferPointer<Int>

  /// Segments over memory that outlives them.
  package init(offsets: UnsafeBufferPointer<Int>) {
    precondition(!offsets.isEmpty, "offsets need one entry more than segments")
    self.offsets = offsets
  }

  /// The number of segments.
  package var count: Int { offsets.count - 1 }

  /// The number of rows of all segments.
  package var rowCount: Int { offsets[offsets.count - 1] }

  /// The rows of one segment.
  @inline(__always)
  package func rows(_ segment: Int) -> Range<Int> {
    offsets[segment]..<offsets[segment + 1]
  }

  /// The sum over segments in the order of ``SummationTree``.
  ///
  /// - Parameter leaf: the sum over the rows of one segment.
  @inline(__always)
  func treeSum(_ leaf: (Range<Int>) -> SIMD8<Float>) -> SIMD8<Float> {
    if count == 1 { return leaf(rows(0)) }
    return withUnsafeTemporaryAllocation(of: SIMD8<Float>.self, capacity: treeDepth) { memory in
      guard let waiting = memory.baseAddress else { return SIMD8(repeating: 0) }
      return SummationTree.sum(of: count, waiting: waiting, leaf: { leaf(rows($0)) }, add: +)
        ?? SIMD8(repeating: 0)
    }
  }

  /// The sum over segments in the order of ``SummationTree``, where some have no leaf.
  ///
  /// - Parameter leaf: the sum over the rows of one segment, or nil where it has none; called
  ///   for segments in ascending order.
  @inline(__always)
  func sparseTreeSum(_ leaf: (Range<Int>) -> SIMD8<Float>?) -> SIMD8<Float> {
    withUnsafeTemporaryAllocation(of: SIMD8<Float>?.self, capacity: treeDepth) { memory in
      guard let waiting = memory.baseAddress else { return SIMD8(repeating: 0) }
      let sum = SummationTree.sum(of: count, waiting: waiting, leaf: { leaf(rows($0)) }) {
        left, right in
        guard let left else { return right }
        guard let right else { return left }
        return left + right
      }
      return (sum ?? nil) ?? SIMD8(repeating: 0)
    }
  }

  /// The largest number of sums that wait for a neighbour.
  var treeDepth: Int { SummationTree.depth(of: count) }
}
