import DFERCModel
import DataParallel
import DialogueData
import NeuralNet
import TensorCore

/// Computes the losses and gradients of a global batch over all ranks.
///
/// The gradients, the losses and the prototypes of the step are the same bits on every rank
/// afterwards.
final class GradientEngine {
  let model: DFERC
  let parameters: Parameters
  let prototypes: EmotionPrototypes
  /// The gradient of the loss of the last global batch, over all ranks.
  let sum: SynchronizedBuffer
  /// Where the time goes.
  var clock = PhaseClock()

  private let collective: any Collective
  private let workers: Workers
  private var passes: [MicroBatchPass] = []
  private let gradientTree: TreeAccumulator<Float>
  private let statistics: UnsafeMutableBufferPointer<Double>
  private let statisticsTree: TreeAccumulator<Double>
  private let losses: UnsafeMutableBufferPointer<Double>
  private let lossTree: TreeAccumulator<Double>

  /// A model with the initial values of a seed and prototypes that have seen nothing.
  ///
  /// Collective: every rank makes one at the same place.
  convenience init(model: DFERC, seed: UInt64, team: RankTeam) throws {
    try team.requireMemory(for: model)
    let parameters = Parameters(layout: model.layout)
    parameters.initialize(seed: seed)
    let prototypes = EmotionPrototypes(
      emotionCount: model.options.emotionCount, width: model.options.alignmentWidth)
    try self.init(
      model: model, parameters: parameters, prototypes: prototypes, collective: team.collective,
      workers: team.workers)
  }

  private init(
    model: DFERC, parameters: Parameters, prototypes: EmotionPrototypes,
    collective: any Collective, workers: Workers
  ) throws {
    self.model = model
    self.parameters = parameters
    self.prototypes = prototypes
    self.collective = collective
    self.workers = workers
    sum = try collective.makeSharedBuffer(count: model.layout.count)
    gradientTree = TreeAccumulator(count: sum.count, result: sum.pointer)
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

  /// The micro-batches of this rank, after ``run(_:of:randomness:)``.
  var localPasses: ArraySlice<MicroBatchPass> { passes[..<localCount] }
  private var localCount = 0

  /// Computes the losses of a global batch and leaves their gradients in ``sum``.
  ///
  /// The prototypes have taken the batch in, but not for good: see ``EmotionPrototypes/commit()``.
  ///
  /// - Parameters:
  ///   - batch: the same on every rank.
  ///   - split: the split it belongs to.
  ///   - randomness: the dropout of the step; nil for none.
  /// - Returns: the unweighted parts of the loss of the whole batch.
  func run(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws -> LossParts {
    let mine = batch.microBatchRange(rank: collective.rank, rankCount: collective.size)
    localCount = mine.count
    while passes.count < localCount {
      passes.append(MicroBatchPass(model: model, parameters: parameters, workers: workers))
    }
    for (pass, index) in zip(localPasses, mine) {
      clock.measure(.load) {
        pass.load(batch.microBatches[index], of: split, randomness: randomness, recording: true)
      }
      clock.measure(.encode) { pass.encode() }
    }
    if model.options.hasPrototypes { try clock.measure(.prototypes) { try updatePrototypes() } }
    let scales = LossScales(
      utteranceCount: batch.utteranceCount, accompaniedCount: batch.anchorUtterances,
      modalityCount: model.options.modalities.count, reduction: model.options.loss.reduction)
    differentiate(scales)
    try clock.measure(.synchronize) {
      try collective.sum(sum)
      try collective.sum(losses)
    }
    return LossParts(losses)
  }

  private func updatePrototypes() throws {
    statisticsTree.begin()
    for pass in localPasses {
      statisticsTree.addLeaf { leaf in
        leaf.update(repeating: 0, count: statistics.count)
        pass.addPrototypeStatistics(
          to: UnsafeMutableBufferPointer(start: leaf, count: statistics.count))
      }
    }
    statisticsTree.finish()
    try collective.sum(statistics)
    prototypes.stage(statistics)
  }

  private func differentiate(_ scales: LossScales) {
    gradientTree.begin()
    lossTree.begin()
    for pass in localPasses {
      clock.measure(.predict) { _ = pass.predict() }
      let parts = clock.measure(.losses) {
        pass.losses(prototypes: prototypes.prototypes, scales: scales)
      }
      lossTree.addLeaf { parts.write(to: $0) }
      clock.measure(.backward) { gradientTree.addLeaf { pass.backward(into: $0) } }
    }
    gradientTree.finish()
    lossTree.finish()
  }
}
