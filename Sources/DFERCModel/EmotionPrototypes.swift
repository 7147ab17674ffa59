import TensorCore

/// The emotion prototypes and what they average over, (18).
///
/// The state is the sum S_k of all aligned features seen with label k and their number N_k; the
/// prototype is R_k = S_k / N_k, and 0 where nothing has been seen. New state is staged for the
/// loss of a step and committed together with the parameter update, so a skipped step leaves no
/// trace.
package final class EmotionPrototypes {
  /// K, the number of emotions.
  package let emotionCount: Int
  /// The width of a prototype.
  package let width: Int
  /// S, [K, width], row-major.
  package private(set) var sums: [Double]
  /// N, [K].
  package private(set) var counts: [Int64]
  private let storage: FloatBuffer
  private let stagedSums: UnsafeMutableBufferPointer<Double>

  /// Prototypes that have seen nothing.
  package init(emotionCount: Int, width: Int) {
    self.emotionCount = emotionCount
    self.width = width
    sums = Array(repeating: 0, count: emotionCount * width)
    counts = Array(repeating: 0, count: emotionCount)
    storage = FloatBuffer(count: emotionCount * width)
    stagedSums = .allocate(capacity: Self.statisticsCount(emotionCount, width))
    stagedSums.initialize(repeating: 0)
  }

  deinit {
    stagedSums.deallocate()
  }

  /// The length of a buffer of batch statistics: the sums [K, width], then the counts [K].
  package var statisticsCount: Int { Self.statisticsCount(emotionCount, width) }

  private static func statisticsCount(_ emotionCount: Int, _ width: Int) -> Int {
    emotionCount * width + emotionCount
  }

  /// R as it enters the loss: that of the staged state after ``stage(_:)``, else of the state.
  package var prototypes: Tensor { Tensor(storage.pointer, rows: emotionCount, columns: width) }

  /// Replaces the state, as when a checkpoint is read.
  package func restore(sums: [Double], counts: [Int64]) {
    precondition(sums.count == self.sums.count && counts.count == self.counts.count)
    self.sums = sums
    self.counts = counts
    discard()
  }

  /// Forgets everything that has been seen.
  package func reset() {
    restore(
      sums: Array(repeating: 0, count: sums.count),
      counts: Array(repeating: 0, count: counts.count))
  }

  /// Computes R with a global batch taken in, without changing the state.
  ///
  /// - Parameter statistics: sums and counts of the batch over all ranks.
  package func stage(_ statistics: UnsafeMutableBufferPointer<Double>) {
    precondition(statistics.count == statisticsCount, "statistics have another length")
    for index in sums.indices { stagedSums[index] = sums[index] + statistics[index] }
    for k in counts.indices {
      stagedSums[sums.count + k] = Double(counts[k]) + statistics[sums.count + k]
    }
    average(stagedSums)
  }

  /// Makes the staged state the state.
  package func commit() {
    for index in sums.indices { sums[index] = stagedSums[index] }
    for k in counts.indices { counts[k] = Int64(stagedSums[sums.count + k]) }
  }

  /// Returns to the state before ``stage(_:)``.
  package func discard() {
    for index in sums.indices { stagedSums[index] = sums[index] }
    for k in counts.indices { stagedSums[sums.count + k] = Double(counts[k]) }
    average(stagedSums)
  }

  private func average(_ statistics: UnsafeMutableBufferPointer<Double>) {
    for k in 0..<emotionCount {
      let count = statistics[emotionCount * width + k]
      let row = prototypes.row(k)
      for column in 0..<width {
        row[column] = count == 0 ? 0 : Float(statistics[k * width + column] / count)
      }
    }
  }
}
