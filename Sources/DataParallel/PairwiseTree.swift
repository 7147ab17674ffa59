/// Sums equal-length buffers elementwise, in one fixed order.
///
/// Floating-point addition is not associative, so the order is part of the result. Here it is the
/// binary tree over the buffers' indices that joins neighbours, then pairs, then fours:
/// ```
/// ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))
/// ```
/// With a count that is not a power of two, the tree is that of the next power of two, and the
/// leaves that are missing are skipped: three buffers sum as `(0 + 1) + 2`, six as
/// `((0 + 1) + (2 + 3)) + (4 + 5)`. An aligned run of `2^k` buffers is a subtree, whose sum may be
/// taken anywhere without changing a bit of the whole.
///
/// The work goes over blocks that stay in the first-level cache, so that each operand is read from
/// memory once and each result written once.
package final class PairwiseTree<Scalar: BinaryFloatingPoint> {
  private let leafCount: Int
  private let width: Int
  private let scratch: UnsafeMutablePointer<Scalar>
  private let blockCount = 2048

  /// Prepares sums over a number of buffers, 1 or more.
  package init(leafCount: Int) {
    precondition(leafCount > 0, "a tree needs a leaf")
    self.leafCount = leafCount
    var width = 1
    var depth = 1
    while width < leafCount {
      width *= 2
      depth += 1
    }
    self.width = width
    scratch = .allocate(capacity: depth * blockCount)
    scratch.initialize(repeating: 0, count: depth * blockCount)
  }

  deinit { scratch.deallocate() }

  /// Sums a range of elements over all buffers and stores the result into every target.
  ///
  /// A target may be one of the buffers.
  ///
  /// - Parameters:
  ///   - parts: The first element of each buffer.
  ///   - range: The elements to sum.
  ///   - targets: The first element of each target; results go to the same `range`.
  package func sum(
    _ parts: [UnsafeMutablePointer<Scalar>], over range: Range<Int>,
    into targets: [UnsafeMutablePointer<Scalar>]
  ) {
    precondition(parts.count == leafCount, "\(parts.count) buffers for \(leafCount) leaves")
    var start = range.lowerBound
    while start < range.upperBound {
      let count = min(blockCount, range.upperBound - start)
      let result = partial(parts, from: 0, width: width, start: start, count: count, slot: 0)
      for target in targets where target + start != result {
        (target + start).update(from: result, count: count)
      }
      start += count
    }
  }

  /// The sum of the leaves `first..<first + width` that exist: a leaf itself, or a scratch block of
  /// `slot` or above.
  private func partial(
    _ parts: [UnsafeMutablePointer<Scalar>], from first: Int, width: Int, start: Int, count: Int,
    slot: Int
  ) -> UnsafePointer<Scalar> {
    if width == 1 { return UnsafePointer(parts[first] + start) }
    let half = width / 2
    let left = partial(parts, from: first, width: half, start: start, count: count, slot: slot)
    guard first + half < leafCount else { return left }
    let right = partial(
      parts, from: first + half, width: half, start: start, count: count, slot: slot + 1)
    let target = scratch + slot * blockCount
    for index in 0..<count { target[index] = left[index] + right[index] }
    return UnsafePointer(target)
  }
}
