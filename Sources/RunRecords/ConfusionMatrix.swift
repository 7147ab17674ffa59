/// The number of utterances for each pair of labelled and predicted emotion.
///
/// Counts are integers, so the sum over ranks does not depend on its order.
package struct ConfusionMatrix: Sendable, Equatable {
  /// The number of emotions K.
  package let classCount: Int

  /// The K x K counts, row-major: `counts[truth * K + predicted]`.
  package private(set) var counts: [Int64]

  /// A matrix of zeros.
  ///
  /// - Parameter classCount: The number of emotions, at least 1.
  package init(classCount: Int) {
    precondition(classCount > 0, "a confusion matrix needs a class, not \(classCount)")
    self.classCount = classCount
    counts = [Int64](repeating: 0, count: classCount * classCount)
  }

  /// Counts one scored utterance.
  ///
  /// - Parameters:
  ///   - truth: The index of the labelled emotion, in `0..<classCount`.
  ///   - predicted: The index of the predicted emotion, in `0..<classCount`.
  package mutating func record(truth: Int, predicted: Int) {
    precondition(
      (0..<classCount).contains(truth) && (0..<classCount).contains(predicted),
      "classes \(truth) and \(predicted) are outside 0..<\(classCount)")
    counts[truth * classCount + predicted] += 1
  }

  /// Calls `body` with the counts as one flat buffer, for example to sum them over ranks.
  ///
  /// - Parameter body: Receives the K x K counts, row-major.
  package mutating func withUnsafeMutableCounts<Result, Failure: Error>(
    _ body: (UnsafeMutableBufferPointer<Int64>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // The parameter of `body` is not `inout`, so that it cannot replace the storage.
    try counts.withUnsafeMutableBufferPointer { (buffer) throws(Failure) in try body(buffer) }
  }

  /// The number of utterances labelled `truth` and predicted `predicted`.
  package subscript(truth truth: Int, predicted predicted: Int) -> Int64 {
    counts[truth * classCount + predicted]
  }

  /// The counts as one array for each labelled emotion.
  package var rows: [[Int64]] {
    (0..<classCount).map { Array(counts[$0 * classCount..<($0 + 1) * classCount]) }
  }
}

// MARK: - Scores

extension ConfusionMatrix {
  /// The number of scored utterances.
  package var total: Int64 { counts.reduce(0, +) }

  /// The share of utterances whose prediction is their label; 0 where there are none.
  package var accuracy: Double {
    ratio((0..<classCount).reduce(0) { $0 + self[truth: $1, predicted: $1] }, total)
  }

  /// The mean of the per-class F1, each weighted with the class's support.
  ///
  /// Equal to scikit-learn's `f1_score(average="weighted", zero_division=0)`.
  package var weightedF1: Double {
    let sum = (0..<classCount).reduce(0.0) { sum, index in
      let score = score(of: index)
      return sum + score.f1 * Double(score.support)
    }
    return total == 0 ? 0 : sum / Double(total)
  }

  /// Precision, recall, F1 and support of one class, 0 wherever a denominator is 0.
  ///
  /// Equal to scikit-learn's `precision_recall_fscore_support(zero_division=0)`.
  package func score(of index: Int) -> ClassScore {
    let hits = self[truth: index, predicted: index]
    let support = (0..<classCount).reduce(0) { $0 + self[truth: index, predicted: $1] }
    let predicted = (0..<classCount).reduce(0) { $0 + self[truth: $1, predicted: index] }
    return ClassScore(
      precision: ratio(hits, predicted), recall: ratio(hits, support),
      f1: ratio(2 * hits, support + predicted), support: support)
  }

  private func ratio(_ part: Int64, _ whole: Int64) -> Double {
    whole == 0 ? 0 : Double(part) / Double(whole)
  }
}

/// The scores of one class.
package struct ClassScore: Sendable, Equatable {
  /// The share of the predictions of this class that are correct, 0...1.
  package let precision: Double
  /// The share of the utterances of this class that were predicted as such, 0...1.
  package let recall: Double
  /// The harmonic mean of precision and recall, 0...1.
  package let f1: Double
  /// The number of utterances labelled with this class.
  package let support: Int64
}
