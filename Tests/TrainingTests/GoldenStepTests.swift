import Configuration
import DialogueData
import Files
import Foundation
import NeuralNet
import Optimizing
import TensorCore
import TestSupport
import Testing

@testable import Training

/// Compares the step that `train`, `bench` and `step` use with PyTorch.
///
/// The golden files are in the test targets of the models, with the `make_fixtures.py` that
/// generates them.
@Suite("The training step against PyTorch")
struct GoldenStepTests {
  /// Both sides compute in Float32 or better with sums of a few hundred terms: differences stay near
  /// 1e-6, and the bound leaves room for other processors.
  static let tolerance = 1e-4

  @Test("There is a golden file for every case")
  func allCases() {
    #expect(GoldenModel.dferc.cases.count == 23)
    #expect(GoldenModel.bcLSTM.cases.count == 4)
  }

  @Test(
    "DF-ERC: losses, predictions, running sums and every gradient",
    arguments: GoldenModel.dferc.cases, [1, 4])
  func dferc(name: String, microBatches: Int) throws {
    let golden = try GoldenFile(name, of: .dferc)
    let engine = try expectStep(golden, name, microBatches: microBatches)
    let means = try #require(engine.buffers.layout.means.first)
    #expect(means.name == "prototypes")
    expectClose(
      engine.buffers.values(of: means), try golden.file.floats("expected.prototypes"),
      tolerance: Self.tolerance, floor: try golden.gradientFloor, "\(name) prototypes")
    #expect(
      try engine.buffers.values("counts", as: Int64.self)
        == golden.file.integers("expected.counts"))
  }

  @Test(
    "bc-LSTM: loss, predictions and every gradient", arguments: GoldenModel.bcLSTM.cases, [1, 4])
  func bcLSTM(name: String, microBatches: Int) throws {
    let engine = try expectStep(
      GoldenFile(name, of: .bcLSTM), name, microBatches: microBatches)
    #expect(engine.buffers.layout.buffers.isEmpty)
  }

  /// Runs the step and compares losses, logits, extras and gradients.
  private func expectStep(
    _ golden: GoldenFile, _ name: String, microBatches: Int
  ) throws -> GradientEngine {
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
    return engine
  }

  private func expectExtras(
    _ extras: [UtteranceExtra], _ prediction: Prediction, _ golden: GoldenFile, _ rows: [Int],
    floor: Double, _ name: String
  ) throws {
    let tensors = extras.flatMap { extra in
      extra.components.isEmpty
        ? [extra.tensor] : extra.components.map { "\(extra.tensor).\($0)" }
    }
    #expect(tensors.count == prediction.extras.count)
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
    let golden = try GoldenFile("training", of: .dferc)
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
