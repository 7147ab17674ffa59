/// What the ranks of a job do together, whatever carries it: MPI, threads, or nothing for one rank.
///
/// Every method must be called by all ranks, in the same order and with the same counts, and blocks
/// until this rank's part is done. A collective is used by one thread at a time.
///
/// Floating-point sums are taken in the binary tree over ranks that ``SummationTree`` describes, so
/// they have the same bits on every rank, in every run, and in every implementation; how a buffer is
/// cut for communication, and whether ranks share a node, does not matter.
package protocol Collective: AnyObject {
  /// This process's place among the ranks, from 0.
  var rank: Int { get }

  /// How many ranks there are.
  var size: Int { get }

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) throws

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Double>) throws

  /// Replaces every rank's buffer by the elementwise sum of all of them; overflow wraps.
  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Int64>) throws

  /// Replaces every rank's buffer by the elementwise maximum of all of them.
  func allReduceMax(_ buffer: UnsafeMutableBufferPointer<Int64>) throws

  /// Copies the root's bytes over everyone else's.
  func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws

  /// Collects bytes of any length from every rank.
  ///
  /// - Returns: On the root, the bytes of each rank in rank order; elsewhere nothing.
  func gather(_ bytes: [UInt8], to root: Int) throws -> [[UInt8]]

  /// Waits until every rank has come here.
  func barrier() throws

  /// Returns a zeroed buffer that the ranks can sum with the least copying.
  ///
  /// - Parameter count: The number of elements, the same on all ranks.
  func makeSharedBuffer(count: Int) throws -> SharedBuffer

  /// Replaces every rank's elements by the elementwise sum of all of them.
  ///
  /// Other ranks may read and write the elements during the call, and only then.
  ///
  /// - Parameter buffer: Made by this collective.
  func allReduceSum(_ buffer: SharedBuffer) throws

  /// Replaces this rank's shard by the elementwise sum of all ranks' elements there.
  ///
  /// The bits are those of ``allReduceSum(_:)``; an element outside ``shard(of:)`` stays as it was or is
  /// summed as well. Other ranks may read the elements during the call, and only then.
  ///
  /// - Parameter buffer: Made by this collective.
  func reduceScatter(_ buffer: SharedBuffer) throws

  /// Copies each rank's shard to all ranks.
  ///
  /// Other ranks may write the elements outside the shard during the call, and only then.
  ///
  /// - Parameter buffer: Made by this collective.
  func allGather(_ buffer: SharedBuffer) throws
}

extension Collective {
  /// The elements of a buffer that are this rank's own: a run of whole ``FlatBlocks``.
  ///
  /// The shards of all ranks cover the buffer; those of a short buffer are empty on some ranks.
  package func shard(of count: Int) -> Range<Int> {
    BlockShards(count: count, shardCount: size).range(rank)
  }
}
