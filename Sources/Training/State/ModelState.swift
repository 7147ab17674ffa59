import Checkpointing
import DataParallel
import Files
import JobControl
import NeuralNet
import Optimizing
import TensorCore

/// The tensors of a run: parameters, running buffers and both moments of the optimizer.
///
/// They are replicated on every rank, except moments that are sharded.
package struct ModelState {
  package let model: any Model
  package let parameters: Parameters
  package let buffers: RunningBuffers
  /// Nil for a model that is not trained.
  package let optimizer: AdamW?
  /// Nil if the moments are not sharded.
  package let shards: MomentShards?

  /// A state of given tensors.
  package init(
    model: any Model, parameters: Parameters, buffers: RunningBuffers, optimizer: AdamW? = nil,
    shards: MomentShards? = nil
  ) {
    self.model = model
    self.parameters = parameters
    self.buffers = buffers
    self.optimizer = optimizer
    self.shards = shards
  }

  /// The state that a training step updates.
  package init(of step: TrainingStep) {
    self.init(
      model: step.engine.model, parameters: step.engine.parameters, buffers: step.engine.buffers,
      optimizer: step.optimizer, shards: MomentShards(step.engine))
  }

  /// The same tensors without the moments of the optimizer.
  package var withoutMoments: ModelState {
    ModelState(model: model, parameters: parameters, buffers: buffers)
  }
}

// MARK: - Between ranks

extension ModelState {
  /// Broadcasts the tensors of rank 0, except sharded moments; collective.
  package func broadcast(over collective: any Collective) throws {
    try collective.broadcast(raw(parameters.values), from: 0)
    try collective.broadcast(buffers.bytes, from: 0)
    buffers.discard()
    guard let optimizer else { return }
    if shards == nil {
      try collective.broadcast(raw(optimizer.firstMoment), from: 0)
      try collective.broadcast(raw(optimizer.secondMoment), from: 0)
    }
    var updateCount = Int64(optimizer.updateCount)
    try withUnsafeMutableBytes(of: &updateCount) { try collective.broadcast($0, from: 0) }
    optimizer.updateCount = Int(updateCount)
  }

  /// Scatters the moments of a checkpoint over the ranks if they are sharded; collective.
  ///
  /// - Parameter checkpoint: on rank 0; ignored elsewhere.
  package func restoreShards(from checkpoint: Checkpoint?, _ team: RankTeam) throws {
    guard let shards, let optimizer else { return }
    for (prefix, part) in [
      (CheckpointCoding.firstMoment, optimizer.firstMoment),
      (CheckpointCoding.secondMoment, optimizer.secondMoment),
    ] {
      let whole = try team.onRootOnly("reading the checkpoint") {
        guard let checkpoint else { preconditionFailure("rank 0 has no checkpoint") }
        return try CheckpointCoding.moment(prefix, of: model.layout, from: checkpoint)
      }
      try shards.scatter(whole, into: part)
    }
  }

  private func raw(_ buffer: FloatBuffer) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(buffer.elements)
  }
}

// MARK: - Checks

extension ModelState {
  /// The digests of all replicated tensors: parameters, running buffers, and moments that are not
  /// sharded.
  package var replicaDigests: [ReplicaCheck.TensorDigest] {
    var digests = digests(of: parameters.values, "")
    for buffer in buffers.layout.buffers {
      digests.append(Self.digest(buffer.name, UnsafeRawBufferPointer(buffers.bytes(of: buffer))))
    }
    guard shards == nil, let optimizer else { return digests }
    digests += self.digests(of: optimizer.firstMoment, CheckpointCoding.firstMoment)
    digests += self.digests(of: optimizer.secondMoment, CheckpointCoding.secondMoment)
    return digests
  }

  private func digests(
    of buffer: FloatBuffer, _ prefix: String
  ) -> [ReplicaCheck.TensorDigest] {
    model.layout.parameters.map { parameter in
      let values = UnsafeMutableBufferPointer(rebasing: buffer.elements[parameter.range])
      return Self.digest(prefix + parameter.name, UnsafeRawBufferPointer(values))
    }
  }

  private static func digest(
    _ name: String, _ bytes: UnsafeRawBufferPointer
  ) -> ReplicaCheck.TensorDigest {
    var digest = StableDigest()
    digest.add(bytes)
    return ReplicaCheck.TensorDigest(name: name, value: digest.value)
  }

  /// Checks that the tensors are finite; collective.
  ///
  /// With a far too high learning rate, an update by a finite gradient can overflow.
  ///
  /// - Throws: `TrainingError`, on all ranks.
  package func requireFinite(step: Int, _ team: RankTeam) throws {
    try team.together("checking the state") {
      guard let tensor = firstNonFinite else { return }
      throw TrainingError(
        kind: .notFinite, place: "step \(step)",
        reason: "\(tensor) is NaN or infinite after the update",
        cure: "Lower optimizer.learningRate and go on from an older checkpoint.")
    }
  }

  private var firstNonFinite: String? {
    if !parameters.values.elements.allFinite { return "a parameter" }
    guard let optimizer else { return nil }
    // An infinite second moment would freeze a parameter silently.
    let moments = [optimizer.firstMoment, optimizer.secondMoment]
    return moments.allSatisfy(\.elements.allFinite) ? nil : "a moment of the optimizer"
  }

  /// The name of the tensor that a damaged element of the flat buffers belongs to.
  package func name(of damage: AdamW.Damage) -> String {
    let parameter = model.layout.parameters.first { $0.range.contains(damage.element) }
    let prefix =
      switch damage.tensor {
      case .parameter: ""
      case .firstMoment: CheckpointCoding.firstMoment
      case .secondMoment: CheckpointCoding.secondMoment
      }
    return prefix + (parameter?.name ?? "?")
  }
}

// MARK: - Snapshots

/// A copy of the state and progress of a run, from which a checkpoint is written.
///
/// It exists on rank 0 only and is reused for every save. It must not change while a checkpoint is
/// written from it.
package final class StateSnapshot: @unchecked Sendable {
  package let model: any Model
  /// The values of all parameters.
  package let parameters: FloatBuffer
  /// The optimizer's running mean of gradients.
  package let firstMoment: FloatBuffer
  /// The optimizer's running mean of squared gradients.
  package let secondMoment: FloatBuffer
  /// The running buffers of the model.
  package let buffers: RunningBuffers
  /// The number of updates that the optimizer has made.
  package fileprivate(set) var updateCount = 0
  /// The progress of the run.
  package fileprivate(set) var progress = TrainingProgress()

  /// Allocates memory for the state of a model.
  package init(of model: any Model) {
    self.model = model
    parameters = FloatBuffer(count: model.layout.count)
    firstMoment = FloatBuffer(count: model.layout.count)
    secondMoment = FloatBuffer(count: model.layout.count)
    buffers = RunningBuffers(layout: model.runningBuffers)
  }
}

extension ModelState {
  /// Copies the state and progress of a run that trains into a snapshot; collective.
  ///
  /// Sharded moments are gathered, so every rank must call it, with or without a snapshot.
  ///
  /// - Parameters:
  ///   - snapshot: on rank 0; nil on other ranks, or if rank 0 needs no copy.
  ///   - progress: the progress of the run after the last step.
  package func copy(to snapshot: StateSnapshot?, _ progress: TrainingProgress) throws {
    guard let optimizer else { preconditionFailure("only a run that trains is saved") }
    try shards?.gather(optimizer.firstMoment, into: snapshot?.firstMoment)
    try shards?.gather(optimizer.secondMoment, into: snapshot?.secondMoment)
    guard let snapshot else { return }
    if shards == nil {
      Self.copy(optimizer.firstMoment, to: snapshot.firstMoment)
      Self.copy(optimizer.secondMoment, to: snapshot.secondMoment)
    }
    Self.copy(parameters.values, to: snapshot.parameters)
    snapshot.buffers.bytes.copyMemory(from: UnsafeRawBufferPointer(buffers.bytes))
    snapshot.updateCount = optimizer.updateCount
    snapshot.progress = progress
  }

  private static func copy(_ source: FloatBuffer, to target: FloatBuffer) {
    precondition(source.count == target.count, "the snapshot is of another model")
    target.pointer.update(from: source.pointer, count: source.count)
  }
}
