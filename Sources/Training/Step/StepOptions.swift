import Configuration
import TensorCore

/// How the ranks of a run share a step.
package struct StepOptions: Sendable {
  /// How products are computed; reproducibly, if a rank may have several micro-batches.
  package var products: LinearProducts
  /// Whether each rank updates only a shard of the parameters.
  package var isSharded = false

  /// Creates options.
  package init(products: LinearProducts, isSharded: Bool = false) {
    self.products = products
    self.isSharded = isSharded
  }
}

extension StepOptions {
  /// The options of a configuration; fixed micro-batches require reproducible products.
  package init(_ configuration: RunConfiguration) {
    products = configuration.train.microBatches == nil ? .fast : .reproducible
    isSharded = configuration.optimizer.sharded
  }
}
