import TensorCore

/// A corpus of dialogues generated from a seed, with MELD's sizes, lengths and label totals.
///
/// It replaces a dataset where there is none. A part of the emotion is in all modalities (a shared
/// factor per utterance), a part in only one; speakers have a timbre and an appearance of their
/// own; a modality can be noise or show another emotion in a turn; and emotions last over turns.
/// See `DialogueScript` and `SyntheticFeatures` for the exact process.
///
/// The corpus is a pure function of the seed and the options, down to the last bit, on every
/// machine.
package struct SyntheticCorpus: Sendable {
  /// The seed of the corpus of a `train` without data.
  package static let standardSeed: UInt64 = 42

  /// The size of the corpus and of its features.
  package struct Options: Sendable, Equatable {
    /// The number of dialogues relative to MELD's 1,038 / 114 / 280, from 0.001 to 1000.
    package var scale: Double

    /// The width of each modality that the corpus has, from 1 to 65,536.
    package var widths: [Modality: Int]

    /// The default is MELD's full size with narrow features.
    package init(
      scale: Double = 1, widths: [Modality: Int] = [.text: 128, .audio: 96, .visual: 96]
    ) {
      self.scale = scale
      self.widths = widths
    }

    /// An error of the options, as a sentence; nil if they are valid.
    package var problem: String? {
      if !(0.001...1000).contains(scale) {
        return "The scale \(scale) of the synthetic corpus is not in 0.001 ... 1000."
      }
      if widths.isEmpty { return "The synthetic corpus needs at least one modality." }
      for modality in Modality.allCases {
        if let width = widths[modality], !(1...65_536).contains(width) {
          return "The \(modality) width \(width) of the synthetic corpus is not in 1 ... 65536."
        }
      }
      return nil
    }
  }

  /// The seed, which determines every bit of the corpus.
  package let seed: UInt64

  /// The size of the corpus and of its features.
  package let options: Options

  /// Describes a corpus; splits are generated on request.
  ///
  /// - Precondition: the options have no ``Options/problem``.
  package init(seed: UInt64, options: Options = Options()) {
    if let problem = options.problem { preconditionFailure(problem) }
    self.seed = seed
    self.options = options
  }

  /// The description of the corpus, as in `dataset.json`.
  package var manifest: DatasetManifest {
    DatasetManifest(
      name: "synthetic-\(seed)", emotions: MELDStatistics.emotions, modalities: options.widths)
  }

  /// Generates a split in memory.
  ///
  /// - Parameters:
  ///   - name: the split.
  ///   - modalities: those whose features are generated; nil for all that the options list.
  /// - Precondition: the options list the modalities.
  package func split(_ name: SplitName, modalities: [Modality]? = nil) -> Split {
    let script = DialogueScript.dialogues(seed: seed, split: name, scale: options.scale)
    let dialogues = dialogues(of: script, split: name)
    var features: [Modality: FeatureTable] = [:]
    for modality in Modality.allCases where (modalities ?? Modality.allCases).contains(modality) {
      guard let width = options.widths[modality] else {
        precondition(modalities == nil, "the synthetic corpus has no \(modality) features")
        continue
      }
      features[modality] = table(modality, width: width, script: script, split: name)
    }
    return Split(
      name: name.rawValue, dialogues: dialogues, emotions: MELDStatistics.emotions,
      features: features)
  }

  private func table(
    _ modality: Modality, width: Int, script: [[SyntheticTurn]], split: SplitName
  ) -> FeatureTable {
    let synthesis = SyntheticFeatures(modality: modality, width: width, seed: seed)
    let rowCount = script.reduce(0) { $0 + $1.count }
    return FeatureTable(rowCount: rowCount, width: width) { memory in
      var row = 0
      for (index, turns) in script.enumerated() {
        synthesis.write(turns, split: split, index: index, to: memory + row * width)
        row += turns.count
      }
    }
  }

  private func dialogues(of script: [[SyntheticTurn]], split: SplitName) -> [Dialogue] {
    var firstRow = 0
    return script.enumerated().map { index, turns in
      defer { firstRow += turns.count }
      let id = "\(split.rawValue)-\(index)"
      let texts = texts(of: turns, split: split, index: index)
      let utterances = turns.indices.map { position in
        Utterance(
          id: "\(id)-\(position)",
          speaker: SyntheticText.name(ofSpeaker: turns[position].speaker), text: texts[position],
          emotion: turns[position].emotion)
      }
      return Dialogue(id: id, utterances: utterances, firstRow: firstRow)
    }
  }

  /// The words of a dialogue show what its text features show.
  private func texts(of turns: [SyntheticTurn], split: SplitName, index: Int) -> [String] {
    var stream = RandomStream(seed: seed, purpose: "synthetic.text.\(split.rawValue)", item: index)
    return turns.enumerated().map { position, turn in
      // The speaker of the next turn, or of the previous one, is the listener.
      let neighbour = position + 1 < turns.count ? position + 1 : max(position - 1, 0)
      let text = Modality.text.position
      return SyntheticText.sentence(
        emotion: turn.reliable[text] ? turn.shown[text] : nil,
        choice: stream.nextInteger(below: 1000),
        listener: SyntheticText.name(ofSpeaker: turns[neighbour].speaker))
    }
  }
}
