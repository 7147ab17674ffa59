/// The elementwise sum of equal-length buffers that are all available, in the order of
/// ``SummationTree``.
///
/// Blocks that fit into the first-level cache are summed one after another, so that each operand is
/// read from memory once and each result written once. All of it is inlinable, so that other
/// modules compile the loops for their element type.
@usableFromInline
package final class TreeReduction<Scalar: BinaryFloatingPoint> {
  @usableFromInline let bufferCount: Int
  @usableFromInline let stack: UnsafeMutablePointer<UnsafePointer<Scalar>>
  /// One block for each place of the stack.
  @usableFromInline let scratch: UnsafeMutablePointer<Scalar>
  @inlinable static var blockElements: Int { 2048 }

  /// Allocates scratch memory for sums of a number of buffers, 1 or more.
  @inlinable
  package init(bufferCount: Int) {
    precondition(bufferCount > 0, "there is no sum of \(bufferCount) buffers")
    self.bufferCount = bufferCount
    let depth = SummationTree.depth(of: bufferCount)
    stack = .allocate(capacity: depth)
    scratch = .allocate(capacity: depth * Self.blockElements)
    scratch.initialize(repeating: 0, count: depth * Self.blockElements)
  }

  @inlinable
  deinit {
    stack.deallocate()
    scratch.deallocate()
  }

  /// Sums a range of elements over all buffers and stores the result into every target.
  ///
  /// A target may be one of the buffers.
  ///
  /// - Parameters:
  ///   - buffers: the first element of each buffer.
  ///   - range: the elements to sum.
  ///   - targets: the first element of each target; results go to the same `range`.
  @inlinable
  package func sum(
    _ buffers: [UnsafeMutablePointer<Scalar>], over range: Range<Int>,
    into targets: [UnsafeMutablePointer<Scalar>]
  ) {
    precondition(
      buffers.count == bufferCount, "\(buffers.count) buffers instead of \(bufferCount)")
    var start = range.lowerBound
    while start < range.upperBound {
      let count = min(Self.blockElements, range.upperBound - start)
      let result = sumBlock(buffers, start: start, count: count)
      for target in targets where target + start != result {
        (target + start).update(from: result, count: count)
      }
      start += count
    }
  }

  /// The sum of one block: the first buffer itself where there is no other, else a block of
  /// scratch.
  @inlinable
  func sumBlock(
    _ buffers: [UnsafeMutablePointer<Scalar>], start: Int, count: Int
  ) -> UnsafePointer<Scalar> {
    var height = 0
    for index in 0..<bufferCount {
      (stack + height).initialize(to: UnsafePointer(buffers[index] + start))
      height += 1
      for _ in 0..<SummationTree.joins(after: index, of: bufferCount) {
        height -= 1
        joinBlocks(at: height - 1, count: count)
      }
    }
    return stack[0]
  }

  /// Replaces the block at a place of the stack and the one above it by their sum.
  @inlinable
  func joinBlocks(at place: Int, count: Int) {
    let left = stack[place]
    let right = stack[place + 1]
    let sum = scratch + place * Self.blockElements
    for index in 0..<count { sum[index] = left[index] + right[index] }
    stack[place] = UnsafePointer(sum)
  }
}
