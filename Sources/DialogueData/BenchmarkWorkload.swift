import TensorCore

/// Random dialogues of MELD's lengths and widths for benchmarks.
package enum BenchmarkWorkload {
  /// The lengths in utterances that dialogues are drawn from, with equal probability; their mean is
  /// 11.
  package static let dialogueLengths = [
    1, 2, 3, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 24,
  ]

  /// The widths of the paper's features for MELD.
  package static let widths: [Modality: Int] = [.text: 1024, .audio: 300, .visual: 342]

  /// Makes a workload in memory.
  ///
  /// - Parameters:
  ///   - dialogueCount: the number of dialogues, at least 1.
  ///   - seed: the seed of lengths, labels and features.
  ///   - widths: the widths of the modalities.
  /// - Returns: a split named `benchmark` with MELD's seven emotions and standard normal features.
  package static func split(
    dialogueCount: Int, seed: UInt64, widths: [Modality: Int] = widths
  ) -> Split {
    precondition(dialogueCount > 0, "\(dialogueCount) dialogues")
    var stream = RandomStream(seed: seed, purpose: "benchmark.dialogues")
    let emotionCount = MELDStatistics.emotions.count
    var firstRow = 0
    let dialogues = (0..<dialogueCount).map { index in
      let length = dialogueLengths[stream.nextInteger(below: dialogueLengths.count)]
      defer { firstRow += length }
      let utterances = (0..<length).map { position in
        Utterance(
          id: "\(position)", speaker: nil, text: "",
          emotion: stream.nextInteger(below: emotionCount))
      }
      return Dialogue(id: "benchmark-\(index)", utterances: utterances, firstRow: firstRow)
    }
    var features: [Modality: FeatureTable] = [:]
    for (modality, width) in widths {
      var stream = RandomStream(seed: seed, purpose: "benchmark.\(modality.rawValue)")
      features[modality] = FeatureTable(rowCount: firstRow, width: width) { memory in
        for index in 0..<firstRow * width { memory[index] = stream.nextNormal() }
      }
    }
    return Split(
      name: "benchmark", dialogues: dialogues, emotions: MELDStatistics.emotions,
      features: features)
  }
}
