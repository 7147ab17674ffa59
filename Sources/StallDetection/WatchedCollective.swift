import DataParallel

/// A collective that records the calls of this rank in a ``Heartbeat``.
package final class WatchedCollective: Collective {
  /// The rank of this process, from 0.
  package let rank: Int

  /// The number of ranks.
  package let size: Int

  private let base: any Collective
  private let heartbeat: Heartbeat

  /// Wraps a collective, which must then be used through this one only.
  package init(_ base: any Collective, heartbeat: Heartbeat) {
    self.base = base
    self.heartbeat = heartbeat
    rank = base.rank
    size = base.size
  }

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
    try watch(.sumOfFloats) { try base.allReduceSum(buffer) }
  }

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Double>) throws {
    try watch(.sumOfDoubles) { try base.allReduceSum(buffer) }
  }

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try watch(.sumOfIntegers) { try base.allReduceSum(buffer) }
  }

  /// Replaces every rank's buffer by the elementwise maximum of all of them.
  package func allReduceMax(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try watch(.maximum) { try base.allReduceMax(buffer) }
  }

  /// Replaces the bytes of every rank by those of the root.
  package func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try watch(.broadcast) { try base.broadcast(buffer, from: root) }
  }

  /// Collects bytes of any length from every rank on the root.
  package func gather(_ bytes: [UInt8], to root: Int) throws -> [[UInt8]] {
    try watch(.gather) { try base.gather(bytes, to: root) }
  }

  /// Blocks until every rank has called it.
  package func barrier() throws {
    try watch(.barrier) { try base.barrier() }
  }

  /// Returns a zeroed buffer that the ranks can sum with the least copying.
  package func makeSharedBuffer(count: Int) throws -> SharedBuffer {
    try watch(.sharedBuffer) { try base.makeSharedBuffer(count: count) }
  }

  /// Replaces every rank's elements by the elementwise sum of all of them.
  package func allReduceSum(_ buffer: SharedBuffer) throws {
    try watch(.sumOfGradients) { try base.allReduceSum(buffer) }
  }

  /// Replaces this rank's shard by the elementwise sum of all ranks' elements there.
  package func reduceScatter(_ buffer: SharedBuffer) throws {
    try watch(.sumOfGradients) { try base.reduceScatter(buffer) }
  }

  /// Copies each rank's shard to all ranks.
  package func allGather(_ buffer: SharedBuffer) throws {
    try watch(.allGather) { try base.allGather(buffer) }
  }

  @inline(__always)
  private func watch<Result>(
    _ call: CollectiveCall, _ body: () throws -> Result
  ) rethrows -> Result {
    heartbeat.enter(call)
    defer { heartbeat.leaveCall() }
    return try body()
  }
}
