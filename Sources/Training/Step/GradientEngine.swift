import Autograd
import DataParallel
import DialogueData
import JobControl
import NeuralNet
import TensorCore

/// Computes the losses and gradients of a global batch over all ranks.
///
/// After ``run(_:of:randomness:)``, gradients, losses and staged running buffers have the same bits
/// on every rank; of sharded gradients, each rank has its shard.
package final class GradientEngine {
  package let model: any Model
  package let parameters: Parameters
  /// The running buffers of the model; a pass stages its contribution, which the caller commits or
  /// discards.
  package let buffers: RunningBuffers
  /// The gradient of the loss of the last global batch, summed over ranks; valid within ``shard``.
  package let gradients: SharedBuffer
  /// The elements of the flat buffers that this rank updates.
  package let shard: Range<Int>
  package let options: StepOptions
  package let tracker: PhaseTracker
  package let collective: any Collective
  /// The micro-batches of this rank in the last pass.
  package let loader: BatchLoader
  /// The predictions for the rows of the last pass.
  package private(set) var prediction: Prediction?
  private let sharedValues: SharedBuffer?
  private let batchSum: GlobalBatchSum
  private let lossSum: MicroBatchSum

  /// Allocates parameters with the initial values of a seed, and running buffers of zeros; collective.
  ///
  /// - Throws: `ConfigurationError`, on all ranks, if a node lacks the memory.
  package init(model: any Model, seed: UInt64, options: StepOptions, team: RankTeam) throws {
    let count = model.layout.count
    try team.requireMemory(forParameters: count)
    self.model = model
    self.options = options
    tracker = team.tracker
    collective = team.collective
    gradients = try collective.makeSharedBuffer(count: count)
    sharedValues = options.isSharded ? try collective.makeSharedBuffer(count: count) : nil
    shard = options.isSharded ? collective.shard(of: count) : 0..<count
    let values = sharedValues.map { FloatBuffer($0.elements, ownedBy: $0) }
    parameters = Parameters(layout: model.layout, values: values ?? FloatBuffer(count: count))
    parameters.initialize(seed: seed)
    buffers = RunningBuffers(layout: model.runningBuffers)
    loader = BatchLoader(
      model: model, parameters: parameters, buffers: buffers, workers: team.workers,
      products: options.products)
    batchSum = GlobalBatchSum(loader, over: collective, tracker: tracker)
    lossSum = MicroBatchSum(count: model.lossTerms.count, over: collective)
  }

  /// The unweighted parts of the loss of the last global batch, in the order of the model's terms;
  /// of this rank's share alone after ``computeShare(_:of:randomness:)``.
  package var lossParts: UnsafeBufferPointer<Double> { UnsafeBufferPointer(lossSum.result) }

  /// The loss of the last global batch.
  package var loss: Double { model.loss(of: lossParts) }

  /// Computes the losses of a global batch and leaves their gradient in ``gradients``; collective.
  ///
  /// - Parameters:
  ///   - batch: the global batch, equal on every rank.
  ///   - randomness: the dropout of the step; nil for none.
  package func run(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws {
    try computeShare(batch, of: split, randomness: randomness)
    try allReduce()
  }

  /// Computes this rank's share of the losses and leaves its whole gradient in ``gradients``.
  ///
  /// Collective, because losses may need sums over the global batch.
  ///
  /// - Parameters:
  ///   - batch: the global batch, equal on every rank.
  ///   - randomness: the dropout of the step; nil for none.
  package func computeShare(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws {
    let (rows, pass) = try load(batch, of: split, randomness: randomness)
    try differentiate(model, rows, pass)
  }

  /// Copies the features and labels of this rank's micro-batches into a new pass.
  func load(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws -> (rows: UtteranceBatch, pass: Pass) {
    try tracker.enter(.load)
    let mine = batch.microBatchRange(rank: collective.rank, rankCount: collective.size)
    return loader.load(mine, of: batch, from: split, randomness: randomness)
  }

  /// Runs the model forward and backward over loaded rows; collective where losses are.
  func differentiate(_ model: some Model, _ rows: UtteranceBatch, _ pass: Pass) throws {
    try tracker.enter(.forward)
    let output = model.forward(rows, pass)
    prediction = output.prediction

    try tracker.enter(.losses)
    let shares = try model.losses(output, of: rows, sum: batchSum, pass)
    lossSum.begin()
    for microBatch in 0..<shares.count {
      lossSum.add { _ = $0.update(from: shares[microBatch]) }
    }
    lossSum.finish()

    try tracker.enter(.backward)
    parameters.beginGradients(in: gradients.pointer)
    pass.tape.backward()
    parameters.finishGradients()
    tracker.leave(.backward, with: gradients.elements)
  }

  /// Sums gradients and losses over all ranks; collective.
  func allReduce() throws {
    try tracker.enter(.allreduce)
    if options.isSharded {
      try collective.reduceScatter(gradients)
    } else {
      try collective.allReduceSum(gradients)
    }
    try lossSum.reduce()
    tracker.leave(
      .allreduce, with: UnsafeMutableBufferPointer(rebasing: gradients.elements[shard]))
  }

  /// Gathers the updated shards of the parameters on all ranks; collective.
  package func gatherParameters() throws {
    if let sharedValues { try collective.allGather(sharedValues) }
  }
}
