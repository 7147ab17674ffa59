import DFERCModel
import TensorCore

/// A copy of all that a checkpoint holds, which stays as it is while training goes on.
///
/// Rank 0 alone has one, whose memory is allocated once and filled again for every save. While a
/// checkpoint is written from it, nobody may change it.
package final class StateSnapshot: @unchecked Sendable {
  /// The model whose parameters these are.
  package let model: DFERC
  /// The values of all parameters.
  package let parameters: FloatBuffer
  /// The optimizer's running mean of gradients.
  package let firstMoment: FloatBuffer
  /// The optimizer's running mean of squared gradients.
  package let secondMoment: FloatBuffer
  /// R of the emotion prototypes, [K, width].
  package let prototypes: FloatBuffer
  /// S of the emotion prototypes, [K, width].
  package fileprivate(set) var sums: [Double] = []
  /// N of the emotion prototypes, [K].
  package fileprivate(set) var counts: [Int64] = []
  /// The number of updates that the optimizer has made.
  package fileprivate(set) var updateCount = 0
  /// How far the run had come.
  package fileprivate(set) var progress = TrainingProgress()

  /// Memory for the state of a model.
  package init(of model: DFERC) {
    self.model = model
    parameters = FloatBuffer(count: model.layout.count)
    firstMoment = FloatBuffer(count: model.layout.count)
    secondMoment = FloatBuffer(count: model.layout.count)
    prototypes = FloatBuffer(count: model.options.emotionCount * model.options.alignmentWidth)
  }
}

extension ModelState {
  /// Copies the state of a run that trains, and how far it has come, into a snapshot.
  ///
  /// Collective: every rank calls it at the same place, whether it has a snapshot or not, so that a
  /// state of which each rank holds a part can be brought together.
  ///
  /// - Parameters:
  ///   - snapshot: of rank 0; nil on all other ranks, and where rank 0 has no use for a copy.
  ///   - progress: how far the run has come.
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
    snapshot.prototypes.pointer.update(
      from: prototypes.prototypes.pointer, count: snapshot.prototypes.count)
    snapshot.sums = prototypes.sums
    snapshot.counts = prototypes.counts
    snapshot.updateCount = optimizer.updateCount
    snapshot.progress = progress
  }

  private static func copy(_ source: FloatBuffer, to target: FloatBuffer) {
    precondition(source.count == target.count, "the snapshot is of another model")
    target.pointer.update(from: source.pointer, count: source.count)
  }
}
