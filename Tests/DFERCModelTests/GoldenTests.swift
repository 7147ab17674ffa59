import DFERCModel
import Foundation
import NeuralNet
import TensorCore
import TestSupport
import Testing

/// The model against an independent implementation of the same equations in PyTorch.
///
/// The difference of every tensor is
/// ```
/// max |a - b| / max(max |b|, 1e-6 * the largest gradient entry of the case)
/// ```
/// The floor matters for what is zero in mathematics, such as the biases of attention keys.
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
    let comparison = try Comparison(golden, name)
    try comparison.losses(of: run)
    try comparison.predictions(of: run)
    try comparison.gradients(of: run)
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
    let comparison = try Comparison(golden, name)
    try comparison.losses(of: run)
    try comparison.gradients(of: run)
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
}

/// Holds a run against the expected values of a golden file.
private struct Comparison {
  let golden: GoldenCase
  let name: String
  private let expectedGradients: [String: [Float]]
  private let floor: Double

  init(_ golden: GoldenCase, _ name: String) throws {
    self.golden = golden
    self.name = name
    expectedGradients = try Dictionary(
      uniqueKeysWithValues: golden.parameterNames.map {
        ($0, try golden.file.floats("expected.gradient.\($0)"))
      })
    floor = 1e-6 * (expectedGradients.values.joined().map { abs(Double($0)) }.max() ?? 0)
  }

  func losses(of run: ModelRun) throws {
    let expected = try GoldenCase.json(
      GoldenTests.ExpectedLosses.self, golden.file.header.metadata["losses"])
    expectSame([run.total], [expected.loss], "loss")
    expectSame([run.losses.emotion], [expected.emotion], "emotion")
    expectSame(
      [run.losses.contrastiveModality], [expected.contrastiveModality], "contrastive_modality")
    expectSame(
      [run.losses.contrastiveUtterance], [expected.contrastiveUtterance], "contrastive_utterance")
    expectSame([run.losses.classification], [expected.tcpClassification], "tcp_classification")
    expectSame([run.losses.regression], [expected.tcpRegression], "tcp_regression")
    expectSame([run.losses.prototype], [expected.prototype], "prototype")
  }

  func predictions(of run: ModelRun) throws {
    let file = golden.file
    expectSame(run.logits, try file.floats("expected.logits"), "logits")
    expectSame(run.consistency, try file.floats("expected.consistency"), "consistency")
    for (index, modality) in golden.options.modalities.enumerated() {
      expectSame(
        run.contributions[index], try file.floats("expected.contribution.\(modality)"),
        "contribution of \(modality)")
    }
    expectSame(run.prototypes, try file.floats("expected.prototypes"), "prototypes")
    #expect(try run.counts == file.integers("expected.counts"))
  }

  func gradients(of run: ModelRun) throws {
    #expect(Set(run.gradients.keys) == Set(expectedGradients.keys))
    for (parameter, actual) in run.gradients {
      expectSame(actual, expectedGradients[parameter] ?? [], "gradient of \(parameter)")
    }
  }

  private func expectSame<Number: BinaryFloatingPoint>(
    _ actual: [Number], _ expected: [Number], _ part: String
  ) {
    expectClose(
      actual, expected, tolerance: GoldenTests.tolerance, floor: floor, "\(name) \(part)")
  }
}
