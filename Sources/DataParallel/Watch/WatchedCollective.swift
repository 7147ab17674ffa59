/// A collective that tells a ``Heartbeat`` when this rank goes into a call and when it comes out.
public final class WatchedCollective: Collective {
  /// This process's place among the ranks, from 0.
  public let rank: Int

  /// How many ranks there are.
  public let size: Int

  private let base: any Collective
  private let heartbeat: Heartbeat

  /// Watches a collective, which is then used through this one only.
  public init(_ base: any Collective, heartbeat: Heartbeat) {
    self.base = base
    self.heartbeat = heartbeat
    rank = base.rank
    size = base.size
  }

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  public func sum(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
    try watch(.sumOfFloats) { try base.sum(buffer) }
  }

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  public func sum(_ buffer: UnsafeMutableBufferPointer<Double>) throws {
    try watch(.sumOfDoubles) { try base.sum(buffer) }
  }

  /// Replaces every rank's buffer by the elementwise sum of all of them.
  public func sum(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try watch(.sumOfIntegers) { try base.sum(buffer) }
  }

  /// Replaces every rank's buffer by the elementwise maximum of all of them.
  public func maximum(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try watch(.maximum) { try base.maximum(buffer) }
  }

  /// Copies the root's bytes over everyone else's.
  public func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try watch(.broadcast) { try base.broadcast(buffer, from: root) }
  }

  /// Collects bytes of any length from every rank on the root.
  public func gather(_ bytes: [UInt8], to root: Int) throws -> [[UInt8]] {
    try watch(.gather) { try base.gather(bytes, to: root) }
  }

  /// Waits until every rank has come here.
  public func barrier() throws {
    try watch(.barrier) { try base.barrier() }
  }

  /// Returns a zeroed buffer that the ranks can sum with the least copying.
  public func makeSharedBuffer(count: Int) throws -> SynchronizedBuffer {
    try watch(.sharedBuffer) { try base.makeSharedBuffer(count: count) }
  }

  /// Replaces every rank's elements by the elementwise sum of all of them.
  public func sum(_ buffer: SynchronizedBuffer) throws {
    try watch(.sumOfGradients) { try base.sum(buffer) }
  }

  /// Replaces this rank's slice by the elementwise sum of all ranks' elements there.
  public func reduceScatter(_ buffer: SynchronizedBuffer) throws {
    try watch(.sumOfGradients) { try base.reduceScatter(buffer) }
  }

  /// Copies each rank's slice to all ranks.
  public func allGather(_ buffer: SynchronizedBuffer) throws {
    try watch(.exchangeOfSlices) { try base.allGather(buffer) }
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
