import TensorCore

/// The statistics of a split.
package struct SplitStatistics: Sendable {
  /// The name of the split.
  package let name: String

  /// The number of dialogues.
  package let dialogueCount: Int

  /// The number of utterances.
  package let utteranceCount: Int

  /// The number of utterances of the shortest dialogue.
  package let shortestDialogue: Int

  /// The number of utterances of the longest dialogue.
  package let longestDialogue: Int

  /// The number of utterances with each emotion, in the dataset's order.
  package let emotionCounts: [(emotion: String, count: Int)]

  /// The number of utterances without a label.
  package let unlabelledCount: Int

  /// The number of different speakers; utterances without a speaker do not count.
  package let speakerCount: Int

  /// The width of the features of each modality, in the order of `Modality.allCases`.
  package let widths: [(modality: Modality, width: Int)]

  /// The mean number of utterances of a dialogue.
  package var meanDialogueLength: Double { Double(utteranceCount) / Double(dialogueCount) }

  /// Computes the statistics of a split.
  package init(of split: Split) {
    name = split.name
    dialogueCount = split.dialogues.count
    utteranceCount = split.utteranceCount
    shortestDialogue = split.dialogueLengths.min() ?? 0
    longestDialogue = split.dialogueLengths.max() ?? 0
    var counts = [Int](repeating: 0, count: split.emotions.count)
    for label in split.labels where label != Split.unlabelled { counts[label] += 1 }
    emotionCounts = zip(split.emotions, counts).map { ($0, $1) }
    unlabelledCount = split.utteranceCount - counts.reduce(0, +)
    speakerCount = Set(split.dialogues.flatMap { $0.utterances.compactMap(\.speaker) }).count
    widths = Modality.allCases.compactMap { modality in
      split.modalities[modality].map { (modality, $0) }
    }
  }
}
