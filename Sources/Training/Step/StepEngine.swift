import DFERCModel
import DataParallel
import DialogueData
import NeuralNet
import Optimizing
import TensorCore

/// One training step after another: gradients over all ranks, clipping, AdamW.
final class StepEngine {
  /// What became of a step.
  struct Outcome {
    /// What a step does to the state.
    enum Effect {
      /// Parameters, moments and prototypes have taken the batch in.
      case updated
      /// They are what they were before, because the loss or the gradient is not finite.
      case skipped
    }

    /// What the step did to the state.
    let effect: Effect
    /// The unweighted parts of the loss of the global batch.
    let parts: LossParts
    /// The loss.
    let loss: Double
    /// The norm of the gradient before clipping.
    let gradientNorm: Double
    /// The learning rate of the step.
    let learningRate: Double
  }

  let gradients: GradientEngine
  let optimizer: AdamW
  private let settings: RunConfiguration
  private let workers: Workers
  private let blockSquares: UnsafeMutableBufferPointer<Double>

  init(
    gradients: GradientEngine, configuration: RunConfiguration, workers: Workers
  ) {
    self.gradients = gradients
    settings = configuration
    self.workers = workers
    optimizer = AdamW(configuration, layout: gradients.model.layout, shard: gradients.shard)
    blockSquares = .allocate(
      capacity: GradientNorm.blockCount(of: gradients.sum.count))
    blockSquares.initialize(repeating: 0)
  }

  deinit { blockSquares.deallocate() }

  /// Trains on one global batch.
  ///
  /// Collective. What the step does to the state is agreed on.
  ///
  /// - Parameters:
  ///   - batch: of the batch plan.
  ///   - split: the training split.
  ///   - step: the number of steps done so far.
  ///   - rateFactor: the factor of the learning rate that the schedule gives the step.
  func run(
    _ batch: GlobalBatch, of split: Split, step: Int, rateFactor: Double
  ) throws -> Outcome {
    let randomness = Dropout.Randomness(settings, step: step)
    let parts = try gradients.run(batch, of: split, randomness: randomness)
    return try gradients.clock.measure(.update) {
      let norm = try gradientNorm()
      let loss = parts.total(gradients.model.options.loss)
      let isFinite = try isUnanimous(norm.isFinite && loss.isFinite)
      let outcome = Outcome(
        effect: isFinite ? .updated : .skipped, parts: parts, loss: loss, gradientNorm: norm,
        learningRate: settings.optimizer.learningRate * rateFactor)
      guard isFinite else {
        gradients.prototypes.discard()
        return outcome
      }
      optimizer.update(
        gradients.parameters.values.pointer, gradients: gradients.sum.pointer,
        gradientScale: GradientNorm.clipFactor(norm: norm, limit: settings.optimizer.clipNorm),
        rateFactor: rateFactor, workers: workers)
      try gradients.gatherParameters()
      gradients.tracker.flipBit(of: gradients.parameters.values.elements, in: .update)
      gradients.prototypes.commit()
      return outcome
    }
  }

  /// Whether a condition holds on all ranks; collective.
  ///
  /// The sums that a step is judged by have the same bits everywhere, until memory fails: then all
  /// ranks must still do the same.
  private func isUnanimous(_ condition: Bool) throws -> Bool {
    var objections: Int64 = condition ? 0 : 1
    try withUnsafeMutablePointer(to: &objections) {
      try gradients.collective.maximum(UnsafeMutableBufferPointer(start: $0, count: 1))
    }
    return objections == 0
  }

  /// The norm of the whole gradient; collective.
  private func gradientNorm() throws -> Double {
    let shard = gradients.shard
    let blocks = GradientNorm.blocks(of: shard)
    blockSquares.update(repeating: 0)
    GradientNorm.sumSquares(
      UnsafeMutableBufferPointer(rebasing: gradients.sum.elements[shard]),
      into: UnsafeMutableBufferPointer(rebasing: blockSquares[blocks]), workers: workers)
    // Every block is one rank's own and zero on all others, so this sum is exact.
    if gradients.sharing.isSharded { try gradients.collective.sum(blockSquares) }
    return GradientNorm.combine(blockSquares)
  }
}
