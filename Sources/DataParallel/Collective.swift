/// The collective operations of a job's ranks, over MPI, over threads, or of a single rank.
///
/// Every method must be called by all ranks, in the same order and with the same counts, and blocks
/// until this rank's part is done. A collective is used by one thread at a time.
///
/// Floating-point sums are taken in the binary tree over ranks that ``SummationTree`` describes, so
/// they have the same bits on every rank, in every run, and in every implementation; they do not
/// depend on how a buffer is divided for communication or on which ranks share a node.
package protocol Collective: AnyObject {
  /// The rank of this process, from 0.
  var rank: Int { get }

  /// The number of ranks.
  var size: Int { get }

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) throws

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Double>) throws

  /// Replaces every rank's buffer by the elementwise sum of all of them; overflow wraps.
  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Int64>) throws

  /// Replaces every rank's buffer by the elementwise maximum of all of them.
  func allReduceMax(_ buffer: UnsafeMutableBufferPointer<Int64>) throws

  /// Replaces the bytes of every rank by those of the root.
  func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws

  /// Collects bytes of any length from every rank.
  ///
  /// - Returns: On the root, the bytes of each rank in rank order; on other ranks an empty array.
  func gather(_ bytes: [UInt8], to root: Int) throws -> [[UInt8]]

  /// Blocks until every rank has called it.
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
  /// The elements of this rank's shard of a buffer: a run of whole ``FlatBlocks``.
  ///
  /// The shards of all ranks cover the buffer; those of a short buffer are empty on some ranks.
  package func shard(of count: Int) -> Range<Int> {
    BlockShards(count: count, shardCount: size).range(rank)
  }
}
