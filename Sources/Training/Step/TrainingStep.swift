import Configuration
import DataParallel
import DialogueData
import NeuralNet
import Optimizing
import TensorCore

/// One training step after another: gradients over all ranks, clipping, AdamW.
package final class TrainingStep {
  /// What became of a step.
  package struct Outcome {
    /// What a step does to the state.
    package enum Effect {
      /// Parameters, moments and running buffers have taken the batch in.
      case updated
      /// They are what they were before, because the loss or the gradient is not finite.
      case skipped
    }

    /// What the step did to the state.
    package let effect: Effect
    /// The loss; its parts are ``GradientEngine/lossParts``.
    package let loss: Double
    /// The norm of the gradient before clipping.
    package let gradientNorm: Double
    /// The learning rate of the step.
    package let learningRate: Double
  }

  /// The gradients, and the parameters that they are of.
  package let engine: GradientEngine
  package let optimizer: AdamW
  private let settings: RunConfiguration
  private let workers: Workers
  private let blockSquares: UnsafeMutableBufferPointer<Double>

  /// - Parameters:
  ///   - engine: of the model that is trained.
  ///   - configuration: of the run.
  ///   - workers: the threads of this rank.
  package init(engine: GradientEngine, configuration: RunConfiguration, workers: Workers) {
    self.engine = engine
    settings = configuration
    self.workers = workers
    optimizer = AdamW(configuration, layout: engine.model.layout, shard: engine.shard)
    blockSquares = .allocate(capacity: FlatBlocks.count(of: engine.gradients.count))
    blockSquares.initialize(repeating: 0)
  }

  deinit { blockSquares.deallocate() }

  /// Trains on one global batch; collective.
  ///
  /// The phases are load, forward, losses (with sums over the batch), backward, all-reduce, update.
  ///
  /// - Parameters:
  ///   - batch: of the batch plan.
  ///   - split: the training split.
  ///   - step: the number of steps done so far.
  ///   - rateFactor: the factor of the learning rate that the schedule gives the step.
  package func run(
    _ batch: GlobalBatch, of split: Split, step: Int, rateFactor: Double
  ) throws -> Outcome {
    let dropout = Dropout.Randomness(of: engine.model, seed: settings.train.seed, step: step)
    try engine.run(batch, of: split, randomness: dropout)

    try engine.tracker.enter(.update)
    let (norm, loss) = (try gradientNorm(), engine.loss)
    let isFinite = try isUnanimous(norm.isFinite && loss.isFinite)
    if isFinite {
      optimizer.update(
        engine.parameters.values.pointer, gradients: engine.gradients.pointer,
        gradientScale: GradientNorm.clipFactor(norm: norm, limit: settings.optimizer.clipNorm),
        rateFactor: rateFactor, workers: workers)
      try engine.gatherParameters()
      engine.buffers.commit()
      engine.tracker.leave(.update, with: engine.parameters.values.elements)
    } else {
      engine.buffers.discard()
    }
    return Outcome(
      effect: isFinite ? .updated : .skipped, loss: loss, gradientNorm: norm,
      learningRate: settings.optimizer.learningRate * rateFactor)
  }

  /// Whether a condition holds on all ranks; collective.
  ///
  /// The sums that a step is judged by have the same bits everywhere, until memory fails: then all
  /// ranks must still do the same.
  private func isUnanimous(_ condition: Bool) throws -> Bool {
    var objections: Int64 = condition ? 0 : 1
    try withUnsafeMutablePointer(to: &objections) {
      try engine.collective.allReduceMax(UnsafeMutableBufferPointer(start: $0, count: 1))
    }
    return objections == 0
  }

  /// The norm of the whole gradient; collective.
  private func gradientNorm() throws -> Double {
    let blocks = FlatBlocks.blocks(of: engine.shard)
    blockSquares.update(repeating: 0)
    GradientNorm.sumSquares(
      UnsafeMutableBufferPointer(rebasing: engine.gradients.elements[engine.shard]),
      into: UnsafeMutableBufferPointer(rebasing: blockSquares[blocks]), workers: workers)
    // Every block is one rank's own and zero on all others, so this sum is exact.
    if engine.options.isSharded { try engine.collective.allReduceSum(blockSquares) }
    return GradientNorm.combine(blockSquares)
  }
}
