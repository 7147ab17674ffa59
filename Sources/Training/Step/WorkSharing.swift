import TensorCore

/// How the ranks of a run share a step.
struct WorkSharing: Sendable {
  /// How products are made: reproducibly, where a rank may have several micro-batches.
  var products: LinearProducts
  /// Whether each rank updates a shard of the parameters alone.
  var isSharded = false
}

extension WorkSharing {
  /// What a configuration asks for: fixed micro-batches promise reproducible results.
  init(_ configuration: RunConfiguration) {
    products = configuration.train.microBatches == nil ? .fast : .reproducible
    isSharded = configuration.optimizer.sharded
  }
}
