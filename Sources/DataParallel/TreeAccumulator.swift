/// Adds up the buffers of a rank's micro-batches in the order of ``PairwiseTree``.
///
/// Micro-batches come one after another, and each is added as soon as its neighbour is complete, so
/// `n` of them need room for `log2 n + 1` buffers only. The sums of all ranks then continue the same
/// tree, as long as every rank holds an aligned run of `2^k` micro-batches.
package final class TreeAccumulator<Scalar: BinaryFloatingPoint & BitwiseCopyable> {
  private let count: Int
  private let result: UnsafeMutablePointer<Scalar>
  private var scratch: [UnsafeMutablePointer<Scalar>] = []
  /// The leaves below each sum that waits for its neighbour, leftmost first.
  private var waiting: [Int] = []

  /// - Parameters:
  ///   - count: the length of every buffer.
  ///   - result: receives the sum; it must outlive the accumulator.
  package init(count: Int, result: UnsafeMutablePointer<Scalar>) {
    self.count = count
    self.result = result
  }

  deinit { scratch.forEach { $0.deallocate() } }

  /// Forgets all leaves.
  package func begin() {
    waiting.removeAll(keepingCapacity: true)
  }

  /// Adds a leaf that `write` fills completely; the memory holds leftovers before that.
  package func addLeaf(_ write: (UnsafeMutablePointer<Scalar>) throws -> Void) rethrows {
    try write(buffer(waiting.count))
    waiting.append(1)
    while waiting.count > 1, waiting[waiting.count - 1] == waiting[waiting.count - 2] {
      joinLastTwo()
    }
  }

  /// Completes the sum in `result`; without a leaf it is zero.
  package func finish() {
    while waiting.count > 1 { joinLastTwo() }
    if waiting.isEmpty { result.update(repeating: 0, count: count) }
  }

  private func joinLastTwo() {
    let leaves = waiting.removeLast()
    waiting[waiting.count - 1] += leaves
    let sum = buffer(waiting.count - 1)
    let term = buffer(waiting.count)
    for index in 0..<count { sum[index] += term[index] }
  }

  private func buffer(_ level: Int) -> UnsafeMutablePointer<Scalar> {
    guard level > 0 else { return result }
    if scratch.count < level {
      let memory = UnsafeMutablePointer<Scalar>.allocate(capacity: count)
      memory.initialize(repeating: 0, count: count)
      scratch.append(memory)
    }
    return scratch[level - 1]
  }
}
