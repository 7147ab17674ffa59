import DFERCModel
import DataParallel
import DialogueData
import JobControl
import NeuralNet
import TensorCore

/// Computes the losses and gradients of a global batch over all ranks.
///
/// The gradients, the losses and the prototypes of the step are the same bits on every rank
/// afterwards.
package final class GradientEngine {
  package let model: DFERC
  package let parameters: Parameters
  package let prototypes: EmotionPrototypes
  /// The gradient of the loss of the last global batch, over all ranks: all of it, or ``shard``.
  package let gradients: SharedBuffer
  /// The elements of the flat buffers that this rank updates.
  package let shard: Range<Int>
  /// How ranks share the work.
  package let sharing: StepOptions
  /// Where the time goes.
  package var clock: PhaseClock
  /// Records every phase.
  package let tracker: PhaseTracker

  package let collective: any Collective
  private let sharedValues: SharedBuffer?
  /// The micro-batches of this rank, after ``run(_:of:randomness:)``.
  package let pass: BatchPass
  private let statistics: UnsafeMutableBufferPointer<Double>
  private let statisticsTree: TreeAccumulator<Double>
  private let losses: UnsafeMutableBufferPointer<Double>
  private let lossTree: TreeAccumulator<Double>

  /// A model with the initial values of a seed and prototypes that have seen nothing.
  ///
  /// Collective: every rank makes one at the same place.
  package init(model: DFERC, seed: UInt64, sharing: StepOptions, team: RankTeam) throws {
    try team.requireMemory(forParameters: model.layout.count)
    self.model = model
    self.sharing = sharing
    tracker = team.tracker
    clock = PhaseClock(team.tracker)
    collective = team.collective
    let count = model.layout.count
    gradients = try collective.makeSharedBuffer(count: count)
    sharedValues = sharing.isSharded ? try collective.makeSharedBuffer(count: count) : nil
    shard = sharing.isSharded ? collective.slice(of: count) : 0..<count
    let values = sharedValues.map { FloatBuffer($0.elements, ownedBy: $0) }
    parameters = Parameters(layout: model.layout, values: values ?? FloatBuffer(count: count))
    parameters.initialize(seed: seed)
    prototypes = EmotionPrototypes(
      emotionCount: model.options.emotionCount, width: model.options.alignmentWidth)
    pass = BatchPass(
      model: model, parameters: parameters, workers: team.workers, products: sharing.products)
    (statistics, statisticsTree) = Self.makeSum(count: prototypes.statisticsCount)
    (losses, lossTree) = Self.makeSum(count: LossParts.count)
  }

  deinit {
    statistics.deallocate()
    losses.deallocate()
  }

  private static func makeSum(
    count: Int
  ) -> (UnsafeMutableBufferPointer<Double>, TreeAccumulator<Double>) {
    let memory = UnsafeMutablePointer<Double>.allocate(capacity: count)
    memory.initialize(repeating: 0, count: count)
    return (
      UnsafeMutableBufferPointer(start: memory, count: count),
      TreeAccumulator(count: count, result: memory)
    )
  }

  /// Computes the losses of a global batch and leaves their gradients in ``gradients``.
  ///
  /// The prototypes have taken the batch in, but not for good: see ``EmotionPrototypes/commit()``.
  ///
  /// - Parameters:
  ///   - batch: the same on every rank.
  ///   - split: the split it belongs to.
  ///   - randomness: the dropout of the step; nil for none.
  /// - Returns: the unweighted parts of the loss of the whole batch.
  package func run(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws -> LossParts {
    try computeShare(batch, of: split, randomness: randomness)
    try clock.measure(.synchronize) {
      if sharing.isSharded {
        try collective.reduceScatter(gradients)
      } else {
        try collective.allReduceSum(gradients)
      }
      try collective.allReduceSum(losses)
      let own = UnsafeMutableBufferPointer(rebasing: gradients.elements[shard])
      tracker.poison(own, in: .allreduce)
      tracker.flipBit(of: own, in: .allreduce)
    }
    return LossParts(losses)
  }

  /// Computes this rank's share of the losses and leaves its gradient in ``gradients``, all of it.
  ///
  /// Collective, because the prototypes come from the whole batch.
  ///
  /// - Parameters:
  ///   - batch: the same on every rank.
  ///   - split: the split it belongs to.
  ///   - randomness: the dropout of the step; nil for none.
  /// - Returns: the unweighted parts of this rank's share of the loss.
  @discardableResult
  package func computeShare(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws -> LossParts {
    let mine = batch.microBatchRange(rank: collective.rank, rankCount: collective.size)
    try clock.measure(.load) {
      pass.load(batch.microBatches[mine], of: split, randomness: randomness, recording: true)
    }
    try clock.measure(.encode) { pass.encode() }
    if model.options.hasPrototypes { try clock.measure(.prototypes) { try updatePrototypes() } }
    let scales = LossScales(
      utteranceCount: batch.utteranceCount, pairedUtteranceCount: batch.pairedUtteranceCount,
      modalityCount: model.options.modalities.count, reduction: model.options.loss.reduction)
    try differentiate(scales)
    tracker.poison(gradients.elements, in: .backward)
    return LossParts(losses)
  }

  /// Brings the parameters of all shards together, after each rank has updated its own; collective.
  package func gatherParameters() throws {
    if let sharedValues { try collective.allGather(sharedValues) }
  }

  private func updatePrototypes() throws {
    statisticsTree.begin()
    pass.forEachMicroBatch { rows in
      statisticsTree.addLeaf { leaf in
        leaf.update(repeating: 0, count: statistics.count)
        pass.addPrototypeStatistics(
          of: rows, to: UnsafeMutableBufferPointer(start: leaf, count: statistics.count))
      }
    }
    statisticsTree.finish()
    try collective.allReduceSum(statistics)
    prototypes.stage(statistics)
  }

  private func differentiate(_ scales: LossScales) throws {
    try clock.measure(.predict) { _ = pass.predict() }
    let shares = try clock.measure(.losses) {
      pass.losses(prototypes: prototypes.prototypes, scales: scales)
    }
    lossTree.begin()
    for microBatch in 0..<shares.count {
      lossTree.addLeaf { shares[microBatch].write(to: $0) }
    }
    lossTree.finish()
    try clock.measure(.backward) { pass.backward(into: gradients.pointer) }
  }
}
