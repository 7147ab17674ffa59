import DFERCModel
import Foundation
import NeuralNet
import Optimizing
import TensorCore
import TestSupport
import Testing

/// Ten steps of training against PyTorch: the model, prototypes that are carried along, clipping,
/// schedule and AdamW together.
@Suite("Training against PyTorch")
struct TrainingGoldenTests {
  struct Optimizer: Decodable {
    let learningRate: Double
    let weightDecay: Double
    let betas: [Double]
    let epsilon: Double
    let warmupSteps: Int
    let steps: Int
    let clipNorm: Double
  }

  /// How far ten steps may lead apart.
  ///
  /// AdamW divides by the root of the second moment, so in the first steps an element whose
  /// gradient is near zero moves by up to the learning rate with the sign of its rounding error.
  /// Ten steps enlarge the 1e-6 of a single pass accordingly.
  static let tolerance = 1e-4

  @Test("losses, norms, parameters and prototypes over ten steps")
  func tenSteps() throws {
    let golden = try GoldenCase("training")
    let file = golden.file
    let settings = try GoldenCase.json(Optimizer.self, file.header.metadata["optimizer"])
    let expected = try GoldenCase.json(
      [GoldenTests.ExpectedLosses].self, file.header.metadata["losses"])
    let norms = try file.doubles("expected.gradient_norms")
    let factors = try file.doubles("expected.learning_rate_factors")
    let batches = try golden.integers("batches")
    try #require(expected.count == settings.steps && norms.count == settings.steps)
    // Steps must be clipped and not clipped, or clipping is not tested.
    #expect(norms.contains { $0 > settings.clipNorm } && norms.contains { $0 < settings.clipNorm })

    var training = try GoldenTraining(golden, settings)
    let batchSize = batches.count / settings.steps
    for step in 0..<settings.steps {
      let batch = Array(batches[step * batchSize..<(step + 1) * batchSize])
      let (run, norm, factor) = training.step(batch, step: step)
      expectClose([factor], [factors[step]], tolerance: 1e-15, "factor of step \(step)")
      expectClose([norm], [norms[step]], tolerance: Self.tolerance, "norm of step \(step)")
      let losses = expected[step]
      expectClose(
        [
          run.total, run.losses.emotion, run.losses.contrastiveModality,
          run.losses.contrastiveUtterance, run.losses.classification, run.losses.regression,
          run.losses.prototype,
        ],
        [
          losses.loss, losses.emotion, losses.contrastiveModality, losses.contrastiveUtterance,
          losses.tcpClassification, losses.tcpRegression, losses.prototype,
        ], tolerance: Self.tolerance, "losses of step \(step)")
    }
    for parameter in training.model.layout.parameters {
      expectClose(
        training.parameters.tensor(of: parameter).values,
        try file.floats("expected.parameter.\(parameter.name)"), tolerance: Self.tolerance,
        "\(parameter.name) after training")
    }
    expectClose(
      training.prototypes.sums, try file.doubles("expected.prototype_sums"),
      tolerance: Self.tolerance, "sums")
    expectClose(
      Array(training.prototypes.prototypes.elements), try file.floats("expected.prototypes"),
      tolerance: Self.tolerance, "prototypes")
    #expect(try training.prototypes.counts == file.integers("expected.counts"))
  }
}

/// A training run over the dialogues of a golden file.
private struct GoldenTraining {
  let model: DFERC
  let parameters: Parameters
  let prototypes: EmotionPrototypes
  private let optimizer: AdamW
  private let schedule: LearningRateSchedule
  private let clipNorm: Double
  private let features: [[Float]]
  private let labels: [Int]
  private let offsets: [Int]
  private let dialogues: [Int]

  init(_ golden: GoldenCase, _ settings: TrainingGoldenTests.Optimizer) throws {
    model = DFERC(try golden.options.modelOptions())
    parameters = try golden.parameters(for: model)
    prototypes = EmotionPrototypes(
      emotionCount: golden.options.emotions, width: golden.options.alignmentWidth)
    var options = AdamW.Options()
    options.betas = (settings.betas[0], settings.betas[1])
    options.weightDecay = settings.weightDecay
    options.epsilon = settings.epsilon
    optimizer = AdamW(
      options: options,
      segments: model.layout.parameters.map {
        AdamW.Segment(
          range: $0.range, isDecayed: $0.isDecayed, learningRate: settings.learningRate)
      }, slice: 0..<model.layout.count)
    schedule = LearningRateSchedule(
      warmupSteps: settings.warmupSteps, totalSteps: settings.steps)
    clipNorm = settings.clipNorm
    features = try model.options.modalities.map { try golden.file.floats("input.\($0.modality)") }
    labels = try golden.integers("labels")
    offsets = try golden.integers("offsets")
    dialogues = try golden.integers("dialogues")
  }

  /// One step over the dialogues at the given positions.
  mutating func step(
    _ batch: [Int], step: Int
  ) -> (run: ModelRun, norm: Double, factor: Double) {
    let rows = batch.flatMap { offsets[$0]..<offsets[$0 + 1] }
    let run = ModelRun(
      model: model, parameters: parameters, prototypes: prototypes,
      features: zip(features, model.options.modalities).map { values, modality in
        rows.flatMap { values[$0 * modality.width..<($0 + 1) * modality.width] }
      },
      labels: rows.map { labels[$0] },
      offsets: batch.reduce(into: [0]) {
        $0.append($0[$0.count - 1] + offsets[$1 + 1] - offsets[$1])
      },
      dialogues: batch.map { dialogues[$0] }, seed: 0, step: step,
      microBatches: [Array(batch.indices)])
    let gradients = FloatBuffer(count: model.layout.count)
    for parameter in model.layout.parameters {
      let target = UnsafeMutableBufferPointer(rebasing: gradients.elements[parameter.range])
      _ = target.update(from: run.gradients[parameter.name] ?? [])
    }
    var squares = [Double](repeating: 0, count: GradientNorm.blockCount(of: gradients.count))
    let norm = squares.withUnsafeMutableBufferPointer {
      GradientNorm.sumSquares(gradients.elements, into: $0, workers: .single)
      return GradientNorm.combine($0)
    }
    let factor = schedule.factor(step: step)
    optimizer.update(
      parameters.values.pointer, gradients: gradients.pointer,
      gradientScale: GradientNorm.clipFactor(norm: norm, limit: clipNorm), rateFactor: factor,
      workers: .single)
    return withExtendedLifetime(gradients) { (run, norm, factor) }
  }
}
