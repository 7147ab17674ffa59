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
    try engine.run(batch, of: golden.split, randomness: golden.randomness)
    engine.buffers.commit()
    let floor = try golden.gradientFloor
    golden.expectLosses(engine, try golden.losses, floor: floor, name)
    let rows = golden.rows(inOrderOf: engine.loader.dialogues)
    let prediction = try #require(engine.prediction)
    let logits = prediction.logits.value
    let expected = try golden.file.floats("expected.logits")
    let reordered = rows.flatMap { expected[$0 * logits.columns..<($0 + 1) * logits.columns] }
    expectClose(
      Array(logits.elements), reordered, tolerance: Self.tolerance, floor: floor, "\(name) logits")
    try expectExtras(engine.model.extras, prediction, golden, rows, floor: floor, name)
    for parameter in engine.model.layout.parameters {
      expectClose(
        Array(engine.gradients.elements[parameter.range]),
        try golden.file.floats("expected.gradient.\(parameter.name)"),
        tolerance: Self.tolerance, floor: floor, "\(name) gradient of \(parameter.name)")
    }
    let means = try #require(engine.buffers.layout.means.first)
    #expect(means.name == "prototypes")
    expectClose(
      engine.buffers.values(of: means), try golden.file.floats("expected.prototypes"),
      tolerance: Self.tolerance, floor: floor, "\(name) prototypes")
    #expect(
      try engine.buffers.values("counts", as: Int64.self)
        == golden.file.integers("expected.counts"))
  }

  private func expectExtras(
    _ extras: [UtteranceExtra], _ prediction: Prediction, _ golden: GoldenFile, _ rows: [Int],
    floor: Double, _ name: String
  ) throws {
    let tensors = extras.flatMap { extra in
      extra.components.isEmpty
        ? [extra.tensor] : extra.components.map { "\(extra.tensor).\($0)" }
    }
    #expect(tensors.count == golden.options.modalities.count + 1)
    for (tensor, column) in zip(tensors, prediction.extras) {
      let expected = try golden.file.floats("expected.\(tensor)")
      expectClose(
        Array(column.elements), rows.map { expected[$0] }, tolerance: Self.tolerance,
        floor: floor, "\(name) \(tensor)")
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
    configuration.optimizer.learningRate = settings.learningRate
    configuration.optimizer.weightDecay = settings.weightDecay
    configuration.optimizer.betas = settings.betas
    configuration.optimizer.epsilon = settings.epsilon
    configuration.optimizer.clipNorm = settings.clipNorm
    let trainingStep = TrainingStep(
      engine: try golden.engine(TrainingRig.soloTeam()), configuration: configuration,
      workers: .single)
    let schedule = LearningRateSchedule(
      warmupSteps: settings.warmupSteps, totalSteps: settings.steps)
    let size = batches.count / settings.steps
    for step in 0..<settings.steps {
      let chosen = batches[step * size..<(step + 1) * size].map { golden.dialogues[$0] }
      let outcome = try trainingStep.run(
        golden.batch(chosen, microBatches: 1), of: golden.split, step: step,
        rateFactor: schedule.factor(step: step))
      #expect(outcome.effect == .updated)
      expectClose(
        [outcome.gradientNorm], [norms[step]], tolerance: Self.tolerance, "norm of step \(step)")
      golden.expectLosses(trainingStep.engine, losses[step], floor: 0, "step \(step)")
    }
    let (trained, buffers) = (trainingStep.engine.parameters, trainingStep.engine.buffers)
    for parameter in trained.layout.parameters {
      expectClose(
        trained.tensor(of: parameter).values,
        try file.floats("expected.parameter.\(parameter.name)"), tolerance: Self.tolerance,
        "\(parameter.name) after training")
    }
    expectClose(
      buffers.values("prototype_sums", as: Double.self),
      try file.doubles("expected.prototype_sums"), tolerance: Self.tolerance, "sums")
    #expect(
      try buffers.values("counts", as: Int64.self) == file.integers("expected.counts"))
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
    let contrastive: Double
    let contribution: Double
    let prototype: Double
    let modalityTemperature: Double
    let utteranceTemperature: Double
    let margin: Double
  }

  /// The loss and its unweighted parts by their names.
  typealias Losses = [String: Double]

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
    try JSONDecoder().decode(type, from: Data((text ?? "").utf8))
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
    var model = DFERCOptions()
    model.width = options.width
    model.alignmentWidth = options.alignmentWidth
    model.contextHidden = options.contextHidden
    model.dropout = options.dropout
    model.ablations = options.ablations.compactMap(Ablation.init(rawValue:))
    model.contrastive = options.contrastive
    model.contribution = options.contribution
    model.prototype = options.prototype
    model.reduction = options.reduction == "mean" ? .mean : .sum
    model.modalityTemperature = options.modalityTemperature
    model.utteranceTemperature = options.utteranceTemperature
    model.margin = options.margin
    let modalities = options.modalities.map {
      ModalityWidth($0, width: options.rawWidths["\($0)"] ?? 0)
    }
    let engine = try GradientEngine(
      model: DFERC(model, modalities: modalities, classCount: options.emotions), seed: 0,
      options: StepOptions(products: .reproducible), team: team)
    for parameter in engine.model.layout.parameters {
      try file.copyFloats(
        "parameter.\(parameter.name)", to: engine.parameters.tensor(of: parameter).elements)
    }
    if file.entry("prototype_sums") != nil {
      engine.buffers.set("prototype_sums", try file.doubles("prototype_sums"))
      engine.buffers.set("counts", try file.integers("counts"))
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
    _ engine: GradientEngine, _ expected: Losses, floor: Double, _ name: String
  ) {
    let names = ["loss"] + engine.model.lossTerms.map(\.name)
    #expect(names.sorted() == expected.keys.sorted())
    expectClose(
      [engine.loss] + Array(engine.lossParts), names.map { expected[$0] ?? .nan },
      tolerance: GoldenStepTests.tolerance, floor: floor, "\(name) losses")
  }
}
