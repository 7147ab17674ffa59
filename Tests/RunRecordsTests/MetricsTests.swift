import Files
import Foundation
import TestSupport
import Testing

@testable import RunRecords

/// One case of `Fixtures/metrics.json`, computed by scikit-learn.
private struct GoldenScores: Decodable {
  let name: String
  let emotions: Int
  let labels: [Int]
  let predictions: [Int]
  let accuracy: Double
  let weightedF1: Double
  let precision: [Double]
  let recall: [Double]
  let f1: [Double]
  let support: [Int64]
  let confusion: [[Int64]]

  enum CodingKeys: String, CodingKey {
    case name, emotions, labels, predictions, accuracy, precision, recall, f1, support, confusion
    case weightedF1 = "weighted_f1"
  }
}

private struct GoldenFile: Decodable {
  let cases: [GoldenScores]
}

@Suite("Metrics: scores")
struct MetricsTests {
  /// Sums of at most a few dozen terms in another order: a few units of the last place.
  private static let tolerance = 1e-14

  private func matrix(_ pairs: [(Int, Int)], classes: Int) -> ConfusionMatrix {
    var matrix = ConfusionMatrix(classCount: classes)
    for (truth, predicted) in pairs { matrix.record(truth: truth, predicted: predicted) }
    return matrix
  }

  @Test("All figures equal scikit-learn's")
  func goldenValues() throws {
    let url = fixtureFolder().appendingPathComponent("metrics.json")
    let golden = try JSONDecoder().decode(GoldenFile.self, from: Data(contentsOf: url))
    try #require(golden.cases.count > 5)
    for expected in golden.cases {
      let pairs = Array(zip(expected.labels, expected.predictions))
      let matrix = matrix(pairs, classes: expected.emotions)
      let scores = (0..<expected.emotions).map(matrix.score)
      #expect(matrix.rows == expected.confusion, "\(expected.name)")
      #expect(scores.map(\.support) == expected.support, "\(expected.name)")
      expectClose([matrix.accuracy], [expected.accuracy], expected.name)
      expectClose([matrix.weightedF1], [expected.weightedF1], expected.name)
      expectClose(scores.map(\.precision), expected.precision, expected.name)
      expectClose(scores.map(\.recall), expected.recall, expected.name)
      expectClose(scores.map(\.f1), expected.f1, expected.name)
    }
  }

  private func expectClose(_ got: [Double], _ want: [Double], _ name: String) {
    #expect(got.count == want.count, "\(name)")
    for (left, right) in zip(got, want) {
      #expect(abs(left - right) <= Self.tolerance, "\(name): \(got) is not \(want)")
    }
  }

  @Test("Without utterances every score is 0")
  func emptyMatrix() {
    let matrix = ConfusionMatrix(classCount: 3)
    #expect(matrix.accuracy == 0 && matrix.weightedF1 == 0 && matrix.total == 0)
    #expect(matrix.score(of: 1) == ClassScore(precision: 0, recall: 0, f1: 0, support: 0))
  }

  @Test("Matrices of parts add up to the matrix of the whole as flat buffers")
  func merging() {
    let pairs = (0..<60).map { ($0 % 3, $0 * 7 % 4) }
    let whole = matrix(pairs, classes: 4)
    var flat = matrix(Array(pairs[..<25]), classes: 4)
    let rest = matrix(Array(pairs[25...]), classes: 4)
    flat.withUnsafeMutableCounts { counts in
      for index in counts.indices { counts[index] += rest.counts[index] }
    }
    #expect(flat == whole)
  }

  @Test("The report is JSON with fixed keys in a fixed order")
  func json() throws {
    let matrix = matrix([(0, 0), (0, 1), (1, 1)], classes: 2)
    let report = ClassificationReport(matrix, emotions: ["joy", "anger"])
    let text = try JSONText.document(report)
    #expect(try JSONText.document(report) == text)
    #expect(
      try JSONDecoder().decode(ClassificationReport.self, from: Data(text.utf8)) == report)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(
      object.keys.sorted()
        == ["accuracy", "classes", "confusion_matrix", "utterances", "weighted_f1"])
    #expect(object["confusion_matrix"] as? [[Int]] == [[1, 1], [0, 1]])
  }

  @Test("The table is aligned")
  func table() {
    let matrix = matrix([(0, 0), (0, 1), (1, 1), (1, 1)], classes: 2)
    let report = ClassificationReport(matrix, emotions: ["joy", "frustrated"])
    #expect(
      report.table == """
        emotion      precision  recall      f1  support
        -----------  ---------  ------  ------  -------
        joy             1.0000  0.5000  0.6667        2
        frustrated      0.6667  1.0000  0.8000        2
        -----------  ---------  ------  ------  -------
        accuracy                        0.7500        4
        weighted F1                     0.7333        4

        true \\ predicted  joy  frustrated
        ----------------  ---  ----------
        joy                 1           1
        frustrated          0           2

        """)
  }
}
