/// The collective of a program that runs alone: every sum is its own.
public final class SoloCollective: Collective {
  /// Always 0.
  public let rank = 0

  /// Always 1.
  public let size = 1

  /// Makes the only rank.
  public init() {}

  /// Leaves the buffer as it is.
  public func sum(_ buffer: UnsafeMutableBufferPointer<Float>) {}

  /// Leaves the buffer as it is.
  public func sum(_ buffer: UnsafeMutableBufferPointer<Double>) {}

  /// Leaves the buffer as it is.
  public func sum(_ buffer: UnsafeMutableBufferPointer<Int64>) {}

  /// Leaves the buffer as it is.
  public func maximum(_ buffer: UnsafeMutableBufferPointer<Int64>) {}

  /// Leaves the buffer as it is.
  public func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) {
    precondition(root == 0, "there is no rank \(root)")
  }

  /// Returns the one rank's bytes.
  public func gather(_ bytes: [UInt8], to root: Int) -> [[UInt8]] {
    precondition(root == 0, "there is no rank \(root)")
    return [bytes]
  }

  /// Returns at once.
  public func barrier() {}

  /// Returns zeroed memory of this process.
  public func makeSharedBuffer(count: Int) -> SynchronizedBuffer {
    SynchronizedBuffer(count: count)
  }

  /// Leaves the buffer as it is.
  public func sum(_ buffer: SynchronizedBuffer) {}

  /// Leaves the buffer as it is.
  public func reduceScatter(_ buffer: SynchronizedBuffer) {}

  /// Leaves the buffer as it is.
  public func allGather(_ buffer: SynchronizedBuffer) {}
}
