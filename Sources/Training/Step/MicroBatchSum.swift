import DataParallel
import JobControl
import NeuralNet
import TensorCore

/// Sums a buffer over all micro-batches of all ranks in the fixed binary tree: the lower levels
/// within a rank, the upper levels between ranks.
final class MicroBatchSum {
  private let collective: any Collective
  /// The sum, after ``reduce()``.
  let result: UnsafeMutableBufferPointer<Double>
  private let tree: TreeAccumulator<Double>

  /// - Parameters:
  ///   - count: the number of elements of the buffer.
  ///   - collective: the ranks.
  init(count: Int, over collective: any Collective) {
    self.collective = collective
    let memory = UnsafeMutablePointer<Double>.allocate(capacity: count)
    memory.initialize(repeating: 0, count: count)
    result = UnsafeMutableBufferPointer(start: memory, count: count)
    tree = TreeAccumulator(count: count, result: memory)
  }

  deinit { result.deallocate() }

  /// Begins a sum.
  func begin() { tree.begin() }

  /// Adds a micro-batch.
  ///
  /// - Parameter write: sets every element of a buffer whose contents are undefined.
  func add(_ write: (UnsafeMutableBufferPointer<Double>) -> Void) {
    tree.addLeaf { write(UnsafeMutableBufferPointer(start: $0, count: result.count)) }
  }

  /// Completes this rank's sum in ``result``.
  func finish() { tree.finish() }

  /// Replaces ``result`` by the sum over ranks; collective.
  func reduce() throws { try collective.allReduceSum(result) }
}

/// Sums over the global batch for the losses of a model.
///
/// All ranks call it in the same order; a rank without rows adds zeros.
final class GlobalBatchSum: GlobalSum {
  private let loader: BatchLoader
  private let tracker: PhaseTracker
  private let collective: any Collective
  private var sums: [Int: MicroBatchSum] = [:]

  /// - Parameter loader: holds the micro-batches of this rank.
  init(_ loader: BatchLoader, over collective: any Collective, tracker: PhaseTracker) {
    self.loader = loader
    self.collective = collective
    self.tracker = tracker
  }

  func sum(
    count: Int, _ addRows: (Range<Int>, UnsafeMutableBufferPointer<Double>) -> Void
  ) throws -> UnsafeMutableBufferPointer<Double> {
    try tracker.enter(.sums)
    let sum = sum(ofLength: count)
    sum.begin()
    loader.forEachMicroBatch { rows in
      sum.add { buffer in
        buffer.update(repeating: 0)
        addRows(rows, buffer)
      }
    }
    sum.finish()
    try sum.reduce()
    try tracker.enter(.losses)
    return sum.result
  }

  private func sum(ofLength count: Int) -> MicroBatchSum {
    if let sum = sums[count] { return sum }
    let sum = MicroBatchSum(count: count, over: collective)
    sums[count] = sum
    return sum
  }
}
