import Configuration
import DataParallel
import DialogueData
import NeuralNet
import Optimizing
import TensorCore

/// Performs training steps: gradients over all ranks, clipping, AdamW.
package final class TrainingStep {
  /// The outcome of a step.
  package struct Outcome {
    /// The effect of a step on the state.
    package enum Effect {
      /// Parameters, moments and running buffers are updated.
      case updated
      /// The state is unchanged, because the loss or the gradient is not finite.
      case skipped
    }

    package let effect: Effect
    /// The loss; its parts are ``GradientEngine/lossParts``.
    package let loss: Double
    /// The norm of the gradient before clipping.
    package let gradientNorm: Double
    /// The learning rate of the step.
    package let learningRate: Double
  }

  /// The parameters and their gradients.
  package let engine: GradientEngine
  package let optimizer: AdamW
  private let settings: RunConfiguration
  private let workers: Workers
  private let blockSquares: UnsafeMutableBufferPointer<Double>

  /// Allocates the optimizer that a configuration describes.
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
  /// - Parameters:
  ///   - batch: the global batch, equal on every rank.
  ///   - split: the training split.
  ///   - step: the number of steps done before.
  ///   - rateFactor: the factor of the learning rate by the schedule, in [0, 1].
  package func run(
    _ batch: GlobalBatch, of split: Split, step: Int, rateFactor: Double
  ) throws -> Outcome {
    let dropout = Dropout.Randomness(of: engine.model, seed: settings.train.seed, step: step)

    let (rows, pass) = try engine.load(batch, of: split, randomness: dropout)
    // Forward, losses with sums over the global batch, backward.
    try engine.differentiate(engine.model, rows, pass)
    try engine.allReduce()

    try engine.tracker.enter(.update)
    let (norm, loss) = (try gradientNorm(), engine.loss)
    let isFinite = try holdsOnAllRanks(norm.isFinite && loss.isFinite)
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
  /// Norm and loss have the same bits on all ranks unless memory fails; even then, all ranks must
  /// decide alike.
  private func holdsOnAllRanks(_ condition: Bool) throws -> Bool {
    var isViolated: Int64 = condition ? 0 : 1
    try withUnsafeMutablePointer(to: &isViolated) {
      try engine.collective.allReduceMax(UnsafeMutableBufferPointer(start: $0, count: 1))
    }
    return isViolated == 0
  }

  /// The norm of the whole gradient; collective.
  private func gradientNorm() throws -> Double {
    let blocks = FlatBlocks.blocks(of: engine.shard)
    blockSquares.update(repeating: 0)
    GradientNorm.sumSquares(
      UnsafeMutableBufferPointer(rebasing: engine.gradients.elements[engine.shard]),
      into: UnsafeMutableBufferPointer(rebasing: blockSquares[blocks]), workers: workers)
    // A block is zero on all ranks but one, so this sum is exact.
    if engine.options.isSharded { try engine.collective.allReduceSum(blockSquares) }
    return GradientNorm.combine(blockSquares)
  }
}
