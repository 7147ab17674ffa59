import DFERCModel
import DataParallel
import NeuralNet
import Optimizing
import TensorCore

/// The tensors of a run that every rank holds alike.
package struct ModelState {
  package let model: DFERC
  package let parameters: Parameters
  package let prototypes: EmotionPrototypes
  /// Nil where nothing is trained.
  package let optimizer: AdamW?
  /// Nil where every rank holds all moments of the optimizer.
  package var shards: MomentShards?

  /// - Parameters:
  ///   - model: whose tensors these are.
  ///   - parameters: of the model.
  ///   - prototypes: of the model.
  ///   - optimizer: nil where nothing is trained.
  ///   - shards: nil where every rank holds all moments of the optimizer.
  package init(
    model: DFERC, parameters: Parameters, prototypes: EmotionPrototypes, optimizer: AdamW?,
    shards: MomentShards? = nil
  ) {
    self.model = model
    self.parameters = parameters
    self.prototypes = prototypes
    self.optimizer = optimizer
    self.shards = shards
  }

  /// Copies everything that rank 0 holds, but for shards, to all other ranks; collective.
  package func broadcast(over collective: any Collective) throws {
    try collective.broadcast(raw(parameters.values), from: 0)
    var sums = prototypes.sums
    var counts = prototypes.counts
    try sums.withUnsafeMutableBytes { try collective.broadcast($0, from: 0) }
    try counts.withUnsafeMutableBytes { try collective.broadcast($0, from: 0) }
    prototypes.restore(sums: sums, counts: counts)
    guard let optimizer else { return }
    if shards == nil {
      try collective.broadcast(raw(optimizer.firstMoment), from: 0)
      try collective.broadcast(raw(optimizer.secondMoment), from: 0)
    }
    var updateCount = Int64(optimizer.updateCount)
    try withUnsafeMutableBytes(of: &updateCount) { try collective.broadcast($0, from: 0) }
    optimizer.updateCount = Int(updateCount)
  }

  private func raw(_ buffer: FloatBuffer) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(buffer.elements)
  }
}
