/// The collective of a single rank: every sum is the value itself.
package final class SoloCollective: Collective {
  /// Always 0.
  package let rank = 0

  /// Always 1.
  package let size = 1

  /// Creates the collective.
  package init() {}

  /// Leaves the buffer as it is.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) {}

  /// Leaves the buffer as it is.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Double>) {}

  /// Leaves the buffer as it is.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Int64>) {}

  /// Leaves the buffer as it is.
  package func allReduceMax(_ buffer: UnsafeMutableBufferPointer<Int64>) {}

  /// Leaves the buffer as it is.
  package func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) {
    precondition(root == 0, "there is no rank \(root)")
  }

  /// Returns the one rank's bytes.
  package func gather(_ bytes: [UInt8], to root: Int) -> [[UInt8]] {
    precondition(root == 0, "there is no rank \(root)")
    return [bytes]
  }

  /// Returns at once.
  package func barrier() {}

  /// Returns zeroed memory of this process.
  package func makeSharedBuffer(count: Int) -> SharedBuffer {
    SharedBuffer(count: count)
  }

  /// Leaves the buffer as it is.
  package func allReduceSum(_ buffer: SharedBuffer) {}

  /// Leaves the buffer as it is.
  package func reduceScatter(_ buffer: SharedBuffer) {}

  /// Leaves the buffer as it is.
  package func allGather(_ buffer: SharedBuffer) {}
}
