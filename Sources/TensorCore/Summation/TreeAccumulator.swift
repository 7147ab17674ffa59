/// The sum of equal-length buffers that come one after another, in the order of ``SummationTree``.
///
/// Each buffer is added as soon as its neighbour is complete, so `n` of them need memory for
/// `log2 n + 1` buffers only. A rank that holds an aligned run of `2^k` of all buffers gets the sum
/// of a subtree, which a sum over ranks completes.
@usableFromInline
package final class TreeAccumulator<Scalar: BinaryFloatingPoint & BitwiseCopyable> {
  @usableFromInline let count: Int
  @usableFromInline let result: UnsafeMutablePointer<Scalar>
  /// The buffers of the stack above the lowest, which is `result`.
  @usableFromInline var scratch: [UnsafeMutablePointer<Scalar>] = []
  @usableFromInline var height = 0
  @usableFromInline var leafCount = 0

  /// - Parameters:
  ///   - count: the number of elements of every buffer.
  ///   - result: receives the sum; it must outlive the accumulator.
  @inlinable
  package init(count: Int, result: UnsafeMutablePointer<Scalar>) {
    self.count = count
    self.result = result
  }

  @inlinable
  deinit { scratch.forEach { $0.deallocate() } }

  /// Starts a new sum.
  @inlinable
  package func begin() {
    (height, leafCount) = (0, 0)
  }

  /// Adds a leaf.
  ///
  /// - Parameter write: sets all elements of the leaf, whose memory holds arbitrary values before.
  @inlinable
  package func addLeaf(_ write: (UnsafeMutablePointer<Scalar>) throws -> Void) rethrows {
    try write(buffer(height))
    height += 1
    for _ in 0..<SummationTree.joins(after: leafCount, of: nil) { joinTopmost() }
    leafCount += 1
  }

  /// Completes the sum in `result`; without a leaf it is zero.
  @inlinable
  package func finish() {
    while height > 1 { joinTopmost() }
    if height == 0 { result.update(repeating: 0, count: count) }
  }

  @inlinable
  func joinTopmost() {
    let left = buffer(height - 2)
    let right = buffer(height - 1)
    for index in 0..<count { left[index] += right[index] }
    height -= 1
  }

  @inlinable
  func buffer(_ place: Int) -> UnsafeMutablePointer<Scalar> {
    guard place > 0 else { return result }
    if scratch.count < place {
      let memory = UnsafeMutablePointer<Scalar>.allocate(capacity: count)
      memory.initialize(repeating: 0, count: count)
      scratch.append(memory)
    }
    return scratch[place - 1]
  }
}
