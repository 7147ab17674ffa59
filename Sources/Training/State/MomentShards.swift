import DataParallel
import TensorCore

/// Brings the moments of a sharded optimizer together for a checkpoint, and apart again.
///
/// They travel through the memory of the gradients, which nobody needs between two steps, so that a
/// rank never holds more of them than its shard.
package struct MomentShards {
  private let collective: any Collective
  private let staging: SharedBuffer
  private let shard: Range<Int>

  /// - Parameter engine: of a run whose optimizer is sharded; nil is returned for others.
  package init?(_ engine: GradientEngine) {
    guard engine.options.isSharded else { return nil }
    collective = engine.collective
    staging = engine.gradients
    shard = engine.shard
  }

  /// Copies the shards of all ranks into one buffer; collective.
  ///
  /// - Parameters:
  ///   - part: this rank's shard.
  ///   - whole: receives all shards; nil on ranks that have no use for them.
  package func gather(_ part: FloatBuffer, into whole: FloatBuffer?) throws {
    (staging.pointer + shard.lowerBound).update(from: part.pointer, count: part.count)
    try collective.allGather(staging)
    whole?.pointer.update(from: staging.pointer, count: staging.count)
  }

  /// Hands each rank its shard of what rank 0 holds; collective.
  ///
  /// - Parameters:
  ///   - whole: on rank 0.
  ///   - part: receives this rank's shard.
  package func scatter(_ whole: FloatBuffer?, into part: FloatBuffer) throws {
    if let whole { staging.pointer.update(from: whole.pointer, count: staging.count) }
    try collective.broadcast(UnsafeMutableRawBufferPointer(staging.elements), from: 0)
    part.pointer.update(from: staging.pointer + shard.lowerBound, count: part.count)
  }
}
