/// Consecutive rows of a packed tensor whose sums are leaves of one tree: those of each micro-batch.
package struct RowSegments: BitwiseCopyable {
  /// Segment s owns rows `offsets[s] ..< offsets[s + 1]`; one more entry than segments.
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

  /// The sum over segments in the binary tree over their numbers.
  ///
  /// - Parameter leaf: the sum over the rows of one segment.
  @inline(__always)
  func treeSum(_ leaf: (Range<Int>) -> SIMD8<Float>) -> SIMD8<Float> {
    if count == 1 { return leaf(rows(0)) }
    return withUnsafeTemporaryAllocation(of: SIMD8<Float>.self, capacity: treeDepth) { waiting in
      var height = 0
      for segment in 0..<count {
        var sum = leaf(rows(segment))
        // A sum of equal height waits for each trailing one of the number.
        var number = segment
        while number & 1 == 1 {
          height -= 1
          sum = waiting[height] + sum
          number >>= 1
        }
        waiting.initializeElement(at: height, to: sum)
        height += 1
      }
      guard height > 0 else { return SIMD8(repeating: 0) }
      var sum = waiting[height - 1]
      for left in (0..<height - 1).reversed() { sum = waiting[left] + sum }
      return sum
    }
  }

  /// The sum over segments in the binary tree over their numbers, where some have no leaf.
  ///
  /// - Parameter leaf: the sum over the rows of one segment, or nil where it has none. Segments are
  ///   asked in ascending order.
  @inline(__always)
  func sparseTreeSum(_ leaf: (Range<Int>) -> SIMD8<Float>?) -> SIMD8<Float> {
    func sum(_ left: SIMD8<Float>?, _ right: SIMD8<Float>?) -> SIMD8<Float>? {
      guard let left else { return right }
      guard let right else { return left }
      return left + right
    }
    return withUnsafeTemporaryAllocation(of: SIMD8<Float>?.self, capacity: treeDepth) { waiting in
      var height = 0
      for segment in 0..<count {
        var total = leaf(rows(segment))
        // A sum of equal height waits for each trailing one of the number.
        var number = segment
        while number & 1 == 1 {
          height -= 1
          total = sum(waiting[height], total)
          number >>= 1
        }
        waiting.initializeElement(at: height, to: total)
        height += 1
      }
      var total: SIMD8<Float>?
      for left in (0..<height).reversed() { total = sum(waiting[left], total) }
      return total ?? SIMD8(repeating: 0)
    }
  }

  /// How many partial sums wait at the most while leaves come in one after another.
  var treeDepth: Int {
    var depth = 1
    while 1 << depth <= count { depth += 1 }
    return depth
  }
}
