import Configuration
import DFERCModel
import DataParallel
import DialogueData
import Files
import Foundation
import JobControl
import NeuralNet
import Optimizing
import TensorCore
import TestSupport
import Testing

@testable import Training

/// The step that `train`, `bench` and `step` use against PyTorch.
///
/// The golden files are those of the model room; `make_fixtures.py` there says how they were made.
@Suite("The training step against PyTorch")
struct GoldenStepTests {
  /// Both sides compute in Float32 or better with sums of a few hundred terms: differences stay near
  /// 1e-6, and the bound leaves room for other processors.
  static let tolerance = 1e-4

  @Test("There is a golden file for every case")
  func allCases() { #expect(GoldenFile.names.count == 23) }

  @Test(
    "Losses, predictions, running sums and every gradient", arguments: GoldenFile.names, [1, 4])
  func matches(name: String, microBatches: Int) throws {
    let golden = try GoldenFile(name)
    let engine = try golden.engine(TrainingRig.soloTeam())
    let batch = golden.batch(golden.dialogues, microBatches: microBatches)
    let parts = try engine.run(batch, of: golden.split, randomness: golden.randomness)
    engine.prototypes.commit()
    let floor = try golden.gradientFloor
    try golden.expectLosses(
      parts, engine.model.options.loss, try golden.losses, floor: floor, name)
    let pass = engine.pass
    let rows = golden.rows(inOrderOf: pass.dialogues)
    let logits = pass.prediction.logits.value
    let expected = try golden.file.floats("expected.logits")
    let reordered = rows.flatMap { expected[$0 * logits.columns..<($0 + 1) * logits.columns] }
    expectClose(
      Array(logits.elements), reordered, tolerance: Self.tolerance, floor: floor, "\(name) logits")
    try expectExtras(pass.prediction, golden, rows, floor: floor, name)
    for parameter in engine.model.layout.parameters {
      expectClose(
        Array(engine.gradients.elements[parameter.range]),
        try golden.file.floats("expected.gradient.\(parameter.name)"),
        tolerance: Self.tolerance, floor: floor, "\(name) gradient of \(parameter.name)")
    }
    expectClose(
      Array(engine.prototypes.prototypes.elements),
      try golden.file.floats("expected.prototypes"), tolerance: Self.tolerance, floor: floor,
      "\(name) prototypes")
    #expect(try engine.prototypes.counts == golden.file.integers("expected.counts"))
  }

  private func expectExtras(
    _ prediction: DFERC.Prediction, _ golden: GoldenFile, _ rows: [Int], floor: Double,
    _ name: String
  ) throws {
    let consistency = try golden.file.floats("expected.consistency")
    expectClose(
      Array(prediction.consistency.elements), rows.map { consistency[$0] },
      tolerance: Self.tolerance, floor: floor, "\(name) consistency")
    for (index, modality) in golden.options.modalities.enumerated() {
      let expected = try golden.file.floats("expected.contribution.\(modality)")
      expectClose(
        rows.indices.map { prediction.contribution(modality: index, row: $0) },
        rows.map { expected[$0] }, tolerance: Self.tolerance, floor: floor,
        "\(name) contribution of \(modality)")
    }
  }

  private struct Optimizer: Decodable {
    let learningRate: Double
    let weightDecay: Double
    let betas: [Double]
    let epsilon: Double
    let warmupSteps: Int
    let steps: Int
    let clipNorm: Double
  }

  /// AdamW divides by the root of the second moment, so in the first steps an element whose gradient
  /// is near zero moves by up to the learning rate with the sign of its rounding error: ten steps
  /// enlarge the 1e-6 of a single pass to below the bound.
  @Test("Ten steps: losses, norms, parameters and running sums")
  func tenSteps() throws {
    let golden = try GoldenFile("training")
    #expect(golden.options.dropout == 0)
    let file = golden.file
    let settings = try GoldenFile.json(Optimizer.self, file.header.metadata["optimizer"])
    let losses = try GoldenFile.json([GoldenFile.Losses].self, file.header.metadata["losses"])
    let norms = try file.doubles("expected.gradient_norms")
    let batches = try file.integers("batches").map(Int.init)
    try #require(losses.count == settings.steps && norms.count == settings.steps)
    var configuration = RunConfiguration()
    configuration.model.dropout = 0
    configuration.optimizer.learningRate = settings.learningRate
    configuration.optimizer.weightDecay = settings.weightDecay
    configuration.optimizer.betas = settings.betas
    configuration.optimizer.epsilon = settings.epsilon
    configuration.optimizer.clipNorm = settings.clipNorm
    let engine = StepEngine(
      gradientEngine: try golden.engine(TrainingRig.soloTeam()), configuration: configuration,
      workers: .single)
    let schedule = LearningRateSchedule(
      warmupSteps: settings.warmupSteps, totalSteps: settings.steps)
    let size = batches.count / settings.steps
    for step in 0..<settings.steps {
      let chosen = batches[step * size..<(step + 1) * size].map { golden.dialogues[$0] }
      let outcome = try engine.run(
        golden.batch(chosen, microBatches: 1), of: golden.split, step: step,
        rateFactor: schedule.factor(step: step))
      #expect(outcome.effect == .updated)
      expectClose(
        [outcome.gradientNorm], [norms[step]], tolerance: Self.tolerance, "norm of step \(step)")
      try golden.expectLosses(
        outcome.parts, engine.gradientEngine.model.options.loss, losses[step], floor: 0,
        "step \(step)")
    }
    let (trained, prototypes) = (engine.gradientEngine.parameters, engine.gradientEngine.prototypes)
    for parameter in trained.layout.parameters {
      expectClose(
        trained.tensor(of: parameter).values,
        try file.floats("expected.parameter.\(parameter.name)"), tolerance: Self.tolerance,
        "\(parameter.name) after training")
    }
    expectClose(
      prototypes.sums, try file.doubles("expected.prototype_sums"), tolerance: Self.tolerance,
      "sums")
    #expect(try prototypes.counts == file.integers("expected.counts"))
  }
}

/// One golden file, as a split in memory.
private struct GoldenFile {
  struct Options: Decodable {
    let modalities: [Modality]
    let ablations: [String]
    let reduction: String
    let dropout: Double
    let seed: UInt64
    let step: Int
    let rawWidths: [String: Int]
    let width: Int
    let alignmentWidth: Int
    let contextHidden: Int
    let emotions: Int
    let contrastive: Float
    let contribution: Float
    let prototype: Float
    let modalityTemperature: Float
    let utteranceTemperature: Float
    let margin: Float
  }

  struct Losses: Decodable {
    let loss: Double
    let emotion: Double
    let contrastiveModality: Double
    let contrastiveUtterance: Double
    let tcpClassification: Double
    let tcpRegression: Double
    let prototype: Double
  }

  let file: SafetensorsFile
  let options: Options
  /// The dialogues of the file by their index in ``split``, in the order of the file's rows.
  let dialogues: [Int]
  let split: Split
  private let offsets: [Int]

  private static var folder: URL {
    fixtureFolder().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("DFERCModelTests/Fixtures")
  }

  static var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
      .filter { $0.hasSuffix(".safetensors") && $0 != "training.safetensors" }
      .map { String($0.dropLast(".safetensors".count)) }.sorted()
  }

  static func json<Value: Decodable>(_ type: Value.Type, _ text: String?) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data((text ?? "").utf8))
  }

  init(_ name: String) throws {
    file = try SafetensorsFile(
      path: Self.folder.appendingPathComponent("\(name).safetensors").path)
    options = try Self.json(Options.self, file.header.metadata["options"])
    dialogues = try file.integers("dialogues").map(Int.init)
    offsets = try file.integers("offsets").map(Int.init)
    let labels = try file.integers("labels").map(Int.init)
    // Dropout depends on the index in the split, so other dialogues, of one row, fill the gaps.
    var (packed, sources): ([Dialogue], [Int?]) = ([], [])
    for index in 0...(dialogues.max() ?? 0) {
      let position = dialogues.firstIndex(of: index)
      let rows: [Int?] =
        position.map { [offsets] in (offsets[$0]..<offsets[$0 + 1]).map { $0 } }
        ?? [nil]
      packed.append(
        Dialogue(
          id: "d\(index)",
          utterances: rows.enumerated().map {
            Utterance(id: "\($0)", speaker: nil, text: "", emotion: $1.map { labels[$0] } ?? 0)
          }, firstRow: sources.count))
      sources += rows
    }
    var features: [Modality: [Float]] = [:]
    for modality in options.modalities {
      let values = try file.floats("input.\(modality)")
      let width = options.rawWidths["\(modality)"] ?? 0
      features[modality] = sources.flatMap { row in
        row.map { Array(values[$0 * width..<($0 + 1) * width]) }
          ?? [Float](repeating: 0, count: width)
      }
    }
    split = Split(
      name: name, dialogues: packed, emotions: (0..<options.emotions).map { "e\($0)" },
      features: features)
  }

  /// The engine of the production step with the file's parameters and running sums.
  func engine(_ team: RankTeam) throws -> GradientEngine {
    var model = DFERCOptions(
      modalities: options.modalities.map {
        ModalityWidth($0, width: options.rawWidths["\($0)"] ?? 0)
      }, emotionCount: options.emotions)
    model.width = options.width
    model.alignmentWidth = options.alignmentWidth
    model.contextHidden = options.contextHidden
    model.dropout = options.dropout
    model.ablations = Set(options.ablations.compactMap(Ablation.init(rawValue:)))
    model.loss.contrastive = options.contrastive
    model.loss.contribution = options.contribution
    model.loss.prototype = options.prototype
    model.loss.reduction = options.reduction == "mean" ? .mean : .sum
    model.loss.modalityTemperature = options.modalityTemperature
    model.loss.utteranceTemperature = options.utteranceTemperature
    model.loss.margin = options.margin
    let engine = try GradientEngine(
      model: DFERC(model), seed: 0, sharing: StepOptions(products: .reproducible), team: team)
    for parameter in engine.model.layout.parameters {
      try file.copyFloats(
        "parameter.\(parameter.name)", to: engine.parameters.tensor(of: parameter).elements)
    }
    if file.entry("prototype_sums") != nil {
      engine.prototypes.restore(
        sums: try file.doubles("prototype_sums"), counts: try file.integers("counts"))
    }
    return engine
  }

  func batch(_ chosen: [Int], microBatches: Int) -> GlobalBatch {
    GlobalBatch(
      dialogues: chosen, dialogueLengths: split.dialogueLengths, microBatchCount: microBatches)
  }

  var randomness: Dropout.Randomness? {
    options.dropout > 0
      ? Dropout.Randomness(seed: options.seed, step: options.step, probability: options.dropout)
      : nil
  }

  var losses: Losses { get throws { try Self.json(Losses.self, file.header.metadata["losses"]) } }

  /// What is zero in mathematics, such as biases of attention keys, is held against this.
  var gradientFloor: Double {
    get throws {
      let names = file.header.entries.keys.filter { $0.hasPrefix("expected.gradient.") }
      return 1e-6 * (try names.flatMap { try file.floats($0) }.map { abs(Double($0)) }.max() ?? 0)
    }
  }

  /// The rows of the file in another order of its dialogues.
  func rows(inOrderOf order: [Int]) -> [Int] {
    order.flatMap { index -> [Int] in
      dialogues.firstIndex(of: index).map { Array(offsets[$0]..<offsets[$0 + 1]) } ?? []
    }
  }

  func expectLosses(
    _ parts: LossParts, _ weights: DFERCOptions.Loss, _ expected: Losses, floor: Double,
    _ name: String
  ) throws {
    expectClose(
      [
        parts.total(weights), parts.emotion, parts.contrastiveModality,
        parts.contrastiveUtterance, parts.classification, parts.regression, parts.prototype,
      ],
      [
        expected.loss, expected.emotion, expected.contrastiveModality,
        expected.contrastiveUtterance, expected.tcpClassification, expected.tcpRegression,
        expected.prototype,
      ], tolerance: GoldenStepTests.tolerance, floor: floor, "\(name) losses")
  }
}
