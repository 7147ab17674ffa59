import Baselines
import Configuration
import DFERCModel
import DataParallel
import DialogueData
import JobControl
import TensorCore
import TestSupport

@testable import Training

/// A few dialogues in memory, and global batches of them for the training step.
struct SmallBatch {
  let split: Split
  let configuration: RunConfiguration

  /// - Parameters:
  ///   - lengths: the number of utterances of each dialogue.
  ///   - modalities: the modalities in use, with widths 5, 6, 7 in the order given.
  ///   - classCount: the number of emotions, which are assigned to rows in turn.
  ///   - seed: the seed of the features.
  init(
    _ options: any ModelOptions, lengths: [Int], modalities: [Modality] = Modality.allCases,
    classCount: Int = 3, seed: UInt64 = 1
  ) {
    let make = TensorFactory(seed: seed)
    let rows = lengths.reduce(0, +)
    var firstRow = 0
    let dialogues = lengths.enumerated().map { index, length in
      defer { firstRow += length }
      return Dialogue(
        id: "d\(index)",
        utterances: (0..<length).map { position in
          Utterance(
            id: "\(position)", speaker: nil, text: "", emotion: (firstRow + position) % classCount)
        }, firstRow: firstRow)
    }
    var features: [Modality: [Float]] = [:]
    for (index, modality) in modalities.enumerated() {
      features[modality] = make.values(rows * (5 + index))
    }
    split = Split(
      name: "small", dialogues: dialogues, emotions: (0..<classCount).map { "e\($0)" },
      features: features)
    var configuration = RunConfiguration()
    configuration.data.modalities = modalities
    configuration.model = ChosenModel(options)
    self.configuration = configuration
  }

  /// All dialogues, cut into micro-batches.
  func batch(microBatches: Int) -> GlobalBatch {
    GlobalBatch(
      dialogues: Array(split.dialogues.indices), dialogueLengths: split.dialogueLengths,
      microBatchCount: microBatches)
  }

  /// The dropout of a step.
  var randomness: Dropout.Randomness? {
    Dropout.Randomness(of: configuration.model(for: split), seed: 3, step: 2)
  }

  /// The engine of the production step; collective.
  func engine(_ team: RankTeam, seed: UInt64 = 5) throws -> GradientEngine {
    try GradientEngine(
      model: configuration.model(for: split), seed: seed,
      options: StepOptions(products: .reproducible), team: team)
  }
}

extension BCLSTMOptions {
  /// A model small enough for tests of every kind.
  static var small: BCLSTMOptions {
    var options = BCLSTMOptions()
    (options.hidden, options.denseWidth, options.dropout) = (7, 9, 0.3)
    return options
  }
}

extension DFERCOptions {
  /// A model small enough for tests of every kind.
  static func small(_ ablations: [Ablation] = [], dropout: Double = 0.3) -> DFERCOptions {
    var options = DFERCOptions()
    (options.width, options.alignmentWidth, options.contextHidden) = (10, 13, 7)
    options.dropout = dropout
    options.ablations = ablations
    return options
  }

  /// The list without ablations, and a list for each ablation.
  static let everyAblation: [[Ablation]] = [[]] + Ablation.allCases.map { [$0] }
}
