import DataParallel
import TensorCore

/// Gathers the moments of a sharded optimizer for a checkpoint, and scatters them from one.
///
/// The gradient buffer, which is unused between two steps, is the staging area, so a rank allocates
/// no more than its shard.
package struct MomentShards {
  private let collective: any Collective
  private let staging: SharedBuffer
  private let shard: Range<Int>

  /// The shards of a sharded engine; nil for any other engine.
  package init?(_ engine: GradientEngine) {
    guard engine.options.isSharded else { return nil }
    collective = engine.collective
    staging = engine.gradients
    shard = engine.shard
  }

  /// Copies the shards of all ranks into one buffer; collective.
  ///
  /// - Parameters:
  ///   - part: the shard of this rank.
  ///   - whole: receives all shards; nil on ranks that need no copy.
  package func gather(_ part: FloatBuffer, into whole: FloatBuffer?) throws {
    (staging.pointer + shard.lowerBound).update(from: part.pointer, count: part.count)
    try collective.allGather(staging)
    whole?.pointer.update(from: staging.pointer, count: staging.count)
  }

  /// Copies each rank's shard of a buffer of rank 0 to that rank; collective.
  ///
  /// - Parameters:
  ///   - whole: on rank 0; nil elsewhere.
  ///   - part: receives the shard of this rank.
  package func scatter(_ whole: FloatBuffer?, into part: FloatBuffer) throws {
    if let whole { staging.pointer.update(from: whole.pointer, count: staging.count) }
    try collective.broadcast(UnsafeMutableRawBufferPointer(staging.elements), from: 0)
    part.pointer.update(from: staging.pointer + shard.lowerBound, count: part.count)
  }
}
