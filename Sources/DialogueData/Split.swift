import Files
import TensorCore

/// The three parts of a dataset.
package enum SplitName: String, CaseIterable, Sendable {
  /// The training data.
  case train

  /// The data on which the best epoch is chosen.
  case validation

  /// The data that is scored once, at the end.
  case test
}

/// The dialogues of one part of a dataset, with their features.
///
/// Features of a folder are in memory-mapped files, those of a generated corpus in memory. Both are
/// read through ``copyFeatures(_:dialogue:to:)``.
///
/// A split is validated before it is created: every value is finite, every label known.
package final class Split: Sendable {
  /// The name of the split, such as `train`.
  package let name: String

  /// The dialogues in file order.
  package let dialogues: [Dialogue]

  /// The utterances of each dialogue, in file order.
  package let dialogueLengths: [Int]

  /// The number of utterances, which is the number of rows of the features.
  package let utteranceCount: Int

  /// The names of the emotions; a label is an index in this list.
  package let emotions: [String]

  /// The width of the features of each modality with features.
  ///
  /// Without modalities that the run does not use, and without text if a text encoder reads it.
  package let modalities: [Modality: Int]

  /// The label of every row; ``unlabelled`` without one.
  package let labels: [Int]

  /// A digest of the dialogues and of all feature bytes, the same in every process.
  package let digest: UInt64

  /// The value in ``labels`` of an utterance without a label.
  package static let unlabelled = -1

  private let features: [Modality: FeatureTable]
  private let indexOfID: [String: Int]

  /// Creates a split from validated parts.
  init(
    name: String, dialogues: [Dialogue], emotions: [String], features: [Modality: FeatureTable],
    digest: UInt64
  ) {
    self.name = name
    self.dialogues = dialogues
    self.emotions = emotions
    self.features = features
    self.digest = digest
    dialogueLengths = dialogues.map(\.utterances.count)
    utteranceCount = dialogueLengths.reduce(0, +)
    modalities = features.mapValues(\.width)
    labels = dialogues.flatMap { $0.utterances.map { $0.emotion ?? Self.unlabelled } }
    indexOfID = Dictionary(
      dialogues.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Creates a split in memory.
  ///
  /// - Parameters:
  ///   - name: the name of the split.
  ///   - dialogues: at least one, with consecutive rows from 0 and labels within the list of
  ///     emotions.
  ///   - emotions: the names of the emotions.
  ///   - features: `[utterances, width]` of each modality, row-major; all values finite.
  package convenience init(
    name: String, dialogues: [Dialogue], emotions: [String], features: [Modality: [Float]]
  ) {
    let rowCount = dialogues.reduce(0) { $0 + $1.utterances.count }
    precondition(rowCount > 0, "split \(name) has no dialogue")
    let tables = features.mapValues { values in
      precondition(values.count % rowCount == 0, "\(values.count) values in \(rowCount) rows")
      return FeatureTable(rowCount: rowCount, width: values.count / rowCount) { memory in
        values.withUnsafeBufferPointer { source in
          if let start = source.baseAddress { memory.update(from: start, count: source.count) }
        }
      }
    }
    self.init(name: name, dialogues: dialogues, emotions: emotions, features: tables)
  }

  /// Creates a split in memory and computes its digest.
  convenience init(
    name: String, dialogues: [Dialogue], emotions: [String], features: [Modality: FeatureTable]
  ) {
    var digest = StableDigest()
    var row = 0
    for dialogue in dialogues {
      precondition(dialogue.firstRow == row, "dialogue \(dialogue.id) does not begin at row \(row)")
      row += dialogue.utterances.count
      digest.add(dialogue.id)
      for utterance in dialogue.utterances {
        for text in [utterance.id, utterance.speaker ?? "", utterance.text] { digest.add(text) }
        digest.add(utterance.emotion ?? Self.unlabelled)
      }
    }
    for modality in Modality.allCases {
      for block in features[modality]?.blocks ?? [] {
        digest.add(modality.rawValue)
        let finding = FeatureAudit.read(block, into: &digest) {}
        precondition(finding == nil, "\(modality) features of split \(name) are not finite")
      }
    }
    self.init(
      name: name, dialogues: dialogues, emotions: emotions, features: features,
      digest: digest.value)
  }

  /// The index of a dialogue in file order, by its name; nil if there is no such dialogue.
  package func index(ofDialogue id: String) -> Int? { indexOfID[id] }

  /// Copies the features of a dialogue, converted to Float32, without allocating.
  ///
  /// - Parameters:
  ///   - modality: one of the keys of ``modalities``.
  ///   - dialogue: the dialogue's index in file order.
  ///   - destination: memory for `[utterances of the dialogue, width]`, row-major.
  package func copyFeatures(
    _ modality: Modality, dialogue: Int, to destination: UnsafeMutablePointer<Float>
  ) {
    guard let table = features[modality] else {
      preconditionFailure("split \(name) has no \(modality) features")
    }
    table.copy(rows: dialogues[dialogue].rows, to: destination)
  }
}
