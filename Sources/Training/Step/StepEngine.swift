import Configuration
import DFERCModel
import DataParallel
import DialogueData
import NeuralNet
import Optimizing
import TensorCore

/// One training step after another: gradients over all ranks, clipping, AdamW.
package final class StepEngine {
  /// What became of a step.
  package struct Outcome {
    /// What a step does to the state.
    package enum Effect {
      /// Parameters, moments and prototypes have taken the batch in.
      case updated
      /// They are what they were before, because the loss or the gradient is not finite.
      case skipped
    }

    /// What the step did to the state.
    package let effect: Effect
    /// The unweighted parts of the loss of the global batch.
    package let parts: LossParts
    /// The loss.
    package let loss: Double
    /// The norm of the gradient before clipping.
    package let gradientNorm: Double
    /// The learning rate of the step.
    package let learningRate: Double
  }

  package let gradientEngine: GradientEngine
  package let optimizer: AdamW
  private let settings: RunConfiguration
  private let workers: Workers
  private let blockSquares: UnsafeMutableBufferPointer<Double>

  package init(
    gradientEngine: GradientEngine, configuration: RunConfiguration, workers: Workers
  ) {
    self.gradientEngine = gradientEngine
    settings = configuration
    self.workers = workers
    optimizer = AdamW(
      configuration, layout: gradientEngine.model.layout, shard: gradientEngine.shard)
    blockSquares = .allocate(
      capacity: GradientNorm.blockCount(of: gradientEngine.gradients.count))
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
  package func run(
    _ batch: GlobalBatch, of split: Split, step: Int, rateFactor: Double
  ) throws -> Outcome {
    let randomness = Dropout.Randomness(settings, step: step)
    let parts = try gradientEngine.run(batch, of: split, randomness: randomness)
    return try gradientEngine.clock.measure(.update) {
      let norm = try gradientNorm()
      let loss = parts.total(gradientEngine.model.options.loss)
      let isFinite = try isUnanimous(norm.isFinite && loss.isFinite)
      let outcome = Outcome(
        effect: isFinite ? .updated : .skipped, parts: parts, loss: loss, gradientNorm: norm,
        learningRate: settings.optimizer.learningRate * rateFactor)
      guard isFinite else {
        gradientEngine.prototypes.discard()
        return outcome
      }
      optimizer.update(
        gradientEngine.parameters.values.pointer, gradients: gradientEngine.gradients.pointer,
        gradientScale: GradientNorm.clipFactor(norm: norm, limit: settings.optimizer.clipNorm),
        rateFactor: rateFactor, workers: workers)
      try gradientEngine.gatherParameters()
      gradientEngine.tracker.flipBit(of: gradientEngine.parameters.values.elements, in: .update)
      gradientEngine.prototypes.commit()
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
      try gradientEngine.collective.allReduceMax(UnsafeMutableBufferPointer(start: $0, count: 1))
    }
    return objections == 0
  }

  /// The norm of the whole gradient; collective.
  private func gradientNorm() throws -> Double {
    let shard = gradientEngine.shard
    let blocks = GradientNorm.blocks(of: shard)
    blockSquares.update(repeating: 0)
    GradientNorm.sumSquares(
      UnsafeMutableBufferPointer(rebasing: gradientEngine.gradients.elements[shard]),
      into: UnsafeMutableBufferPointer(rebasing: blockSquares[blocks]), workers: workers)
    // Every block is one rank's own and zero on all others, so this sum is exact.
    if gradientEngine.sharing.isSharded { try gradientEngine.collective.allReduceSum(blockSquares) }
    return GradientNorm.combine(blockSquares)
  }
}
