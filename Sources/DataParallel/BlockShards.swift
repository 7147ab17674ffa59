import TensorCore

/// Cuts a flat buffer into one shard per rank, each a run of whole ``FlatBlocks``.
///
/// With fewer blocks than ranks, some shards are empty.
package struct BlockShards {
  /// The number of elements of the buffer.
  package let count: Int

  /// The number of shards.
  package let shardCount: Int

  /// - Parameters:
  ///   - count: the number of elements of the buffer.
  ///   - shardCount: the number of shards.
  package init(count: Int, shardCount: Int) {
    self.count = count
    self.shardCount = shardCount
  }

  /// The elements of a shard, counted from 0.
  package func range(_ shard: Int) -> Range<Int> {
    bound(shard)..<bound(shard + 1)
  }

  /// The number of elements of the longest shard.
  package var longest: Int {
    (0..<shardCount).reduce(0) { max($0, range($1).count) }
  }

  private func bound(_ shard: Int) -> Int {
    let blocks = FlatBlocks.count(of: count) * shard / shardCount
    return min(count, blocks * FlatBlocks.elementCount)
  }
}
