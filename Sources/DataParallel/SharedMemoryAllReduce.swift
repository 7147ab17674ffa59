import MPIKit
import TensorCore

/// Sums a buffer in shared memory over all ranks of the job.
///
/// Each rank of a node reads its shard of the buffers of all ranks there, sums it in the order of
/// ``SummationTree`` and writes the result to all of them: each byte is read once and written once,
/// without messages. Between nodes, the ranks of the same shard sum it by messages before they
/// write it; the layout must be nested, so that a node is a subtree.
final class SharedMemoryAllReduce {
  private let node: Communicator
  private let tree: TreeReduction<Float>
  private let column: MessageAllReduce<Float>?

  /// Allocates memory for sums.
  ///
  /// - Parameters:
  ///   - node: The ranks that share memory with this one, itself included.
  ///   - column: The ranks that have this rank's index on their nodes, in node order; nil for one
  ///     node.
  init(node: Communicator, column: Communicator?) {
    self.node = node
    tree = TreeReduction(bufferCount: node.size)
    self.column = column.map { MessageAllReduce(over: $0) }
  }

  /// Replaces every rank's elements by the sum of all of them.
  ///
  /// Collective over all ranks of all nodes.
  func sum(_ buffer: SharedBuffer, in window: SharedMemoryWindow) throws(MPIError) {
    let shard = BlockShards(count: buffer.count, shardCount: node.size).range(node.rank)
    try window.synchronize()
    if let column {
      tree.sum(buffer.parts, over: shard, into: [buffer.pointer])
      try column.sum(UnsafeMutableBufferPointer(rebasing: buffer.elements[shard]))
      copy(shard, of: buffer)
    } else {
      tree.sum(buffer.parts, over: shard, into: buffer.parts)
    }
    try window.synchronize()
  }

  /// Replaces this rank's shard by the sum of all ranks' elements there; on one node only.
  func reduceScatter(
    _ buffer: SharedBuffer, in window: SharedMemoryWindow
  ) throws(MPIError) {
    let shard = BlockShards(count: buffer.count, shardCount: node.size).range(node.rank)
    try window.synchronize()
    tree.sum(buffer.parts, over: shard, into: [buffer.pointer])
    try window.synchronize()
  }

  /// Copies this rank's shard to all ranks; on one node only.
  func allGather(_ buffer: SharedBuffer, in window: SharedMemoryWindow) throws(MPIError) {
    try window.synchronize()
    copy(BlockShards(count: buffer.count, shardCount: node.size).range(node.rank), of: buffer)
    try window.synchronize()
  }

  private func copy(_ shard: Range<Int>, of buffer: SharedBuffer) {
    let source = buffer.pointer + shard.lowerBound
    for part in buffer.parts where part != buffer.pointer {
      (part + shard.lowerBound).update(from: source, count: shard.count)
    }
  }
}
