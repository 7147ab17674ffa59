import DFERCModel
import Foundation
import NeuralNet
import TensorCore
import TestSupport
import Testing

/// The model against an independent implementation of the same equations in PyTorch.
@Suite("Model against PyTorch")
struct GoldenTests {
  /// Both sides compute in Float32 or better, and the reference rounds Float64 results once: sums
  /// here have at most a few hundred terms, so differences stay near 1e-6; the bound of the project
  /// leaves room for other processors.
  static let tolerance = 1e-4

  struct ExpectedLosses: Decodable {
    let loss: Double
    let emotion: Double
    let contrastiveModality: Double
    let contrastiveUtterance: Double
    let tcpClassification: Double
    let tcpRegression: Double
    let prototype: Double
  }

  @Test("all golden files are there")
  func allCases() {
    #expect(GoldenCase.names.count == 23)
  }

  @Test("losses, predictions, prototypes and every gradient", arguments: GoldenCase.names)
  func matches(name: String) throws {
    let golden = try GoldenCase(name)
    let model = DFERC(try golden.options.modelOptions())
    #expect(Set(model.layout.parameters.map(\.name)) == golden.parameterNames)
    let run = try Self.run(golden, model: model)
    try Self.compareLosses(run, golden, name)
    try Self.comparePredictions(run, golden, name)
    try Self.compareGradients(run, golden, name)
  }

  @Test(
    "a batch cut into micro-batches has the same losses and gradients",
    arguments: GoldenCase.names, [[[0], [1], [2], [3]], [[3, 1], [], [0, 2]]])
  func isIndependentOfCut(name: String, cut: [[Int]]) throws {
    let golden = try GoldenCase(name)
    let dialogueCount = try golden.integers("dialogues").count
    let microBatches = cut.map { $0.filter { $0 < dialogueCount } }
    let model = DFERC(try golden.options.modelOptions())
    let run = try Self.run(golden, model: model, microBatches: microBatches)
    try Self.compareLosses(run, golden, name)
    try Self.compareGradients(run, golden, name)
  }

  static func run(
    _ golden: GoldenCase, model: DFERC, microBatches: [[Int]]? = nil
  ) throws -> ModelRun {
    let state = EmotionPrototypes(
      emotionCount: golden.options.emotions, width: golden.options.alignmentWidth)
    state.restore(
      sums: try golden.file.doubles("prototype_sums"), counts: try golden.file.integers("counts"))
    let dialogues = try golden.integers("dialogues")
    return ModelRun(
      model: model, parameters: try golden.parameters(for: model), prototypes: state,
      features: try model.options.modalities.map {
        try golden.file.floats("input.\($0.modality)")
      },
      labels: try golden.integers("labels"), offsets: try golden.integers("offsets"),
      dialogues: dialogues, seed: golden.options.seed, step: golden.options.step,
      microBatches: microBatches ?? [Array(dialogues.indices)])
  }

  static func compareLosses(_ run: ModelRun, _ golden: GoldenCase, _ name: String) throws {
    let expected = try GoldenCase.json(ExpectedLosses.self, golden.file.header.metadata["losses"])
    let pairs: [(String, Double, Double)] = [
      ("loss", run.total, expected.loss),
      ("emotion", run.losses.emotion, expected.emotion),
      ("contrastive_modality", run.losses.contrastiveModality, expected.contrastiveModality),
      ("contrastive_utterance", run.losses.contrastiveUtterance, expected.contrastiveUtterance),
      ("tcp_classification", run.losses.classification, expected.tcpClassification),
      ("tcp_regression", run.losses.regression, expected.tcpRegression),
      ("prototype", run.losses.prototype, expected.prototype),
    ]
    for (part, actual, expected) in pairs {
      expectClose([actual], [expected], tolerance: tolerance, floor: 1e-3, "\(name) \(part)")
    }
  }

  static func comparePredictions(_ run: ModelRun, _ golden: GoldenCase, _ name: String) throws {
    let file = golden.file
    expectClose(
      run.logits, try file.floats("expected.logits"), tolerance: tolerance, "\(name) logits")
    expectClose(
      run.consistency, try file.floats("expected.consistency"), tolerance: tolerance, floor: 1,
      "\(name) consistency")
    for (index, modality) in golden.options.modalities.enumerated() {
      expectClose(
        run.contributions[index], try file.floats("expected.contribution.\(modality)"),
        tolerance: tolerance, "\(name) contribution of \(modality)")
    }
    expectClose(
      run.prototypes, try file.floats("expected.prototypes"), tolerance: tolerance, floor: 1e-3,
      "\(name) prototypes")
    #expect(try run.counts == file.integers("expected.counts"))
  }

  static func compareGradients(_ run: ModelRun, _ golden: GoldenCase, _ name: String) throws {
    var expected: [String: [Float]] = [:]
    for parameter in run.gradients.keys {
      expected[parameter] = try golden.file.floats("expected.gradient.\(parameter)")
    }
    let largest = expected.values.flatMap { $0 }.map { abs(Double($0)) }.max() ?? 0
    // Attention key biases have gradient zero in mathematics; only the floor applies to them.
    for (parameter, actual) in run.gradients {
      expectClose(
        actual, expected[parameter] ?? [], tolerance: tolerance, floor: 1e-6 * largest,
        "\(name) gradient of \(parameter)")
    }
  }
}
