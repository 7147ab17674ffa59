import Configuration
import TensorCore

/// How the ranks of a run share a step.
package struct StepOptions: Sendable {
  /// How products are made: reproducibly, where a rank may have several micro-batches.
  package var products: LinearProducts
  /// Whether each rank updates a shard of the parameters alone.
  package var isSharded = false

  /// - Parameters:
  ///   - products: how products are made.
  ///   - isSharded: whether each rank updates a shard of the parameters alone.
  package init(products: LinearProducts, isSharded: Bool = false) {
    self.products = products
    self.isSharded = isSharded
  }
}

extension StepOptions {
  /// What a configuration asks for: fixed micro-batches promise reproducible results.
  package init(_ configuration: RunConfiguration) {
    products = configuration.train.microBatches == nil ? .fast : .reproducible
    isSharded = configuration.optimizer.sharded
  }
}
