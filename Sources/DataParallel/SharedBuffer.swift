import MPIKit

/// A Float32 buffer of which every rank has one of the same length, such as gradients.
///
/// Made by ``Collective/makeSharedBuffer(count:)``. Shared memory stays allocated until the process
/// ends, because freeing it is collective.
package final class SharedBuffer {
  /// The first element, on a cache line of its own; zero at the start.
  package let pointer: UnsafeMutablePointer<Float>

  /// The number of elements.
  package let count: Int

  /// All elements.
  package var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  /// The buffers of all ranks on this node, in rank order; empty for memory of this process alone.
  package let parts: [UnsafeMutablePointer<Float>]

  /// The shared memory that holds `parts`; nil for memory of this process alone.
  package let window: SharedMemoryWindow?

  private static let alignment = 64

  /// Allocates memory of this process alone.
  package init(count: Int) {
    let bytes = max(1, count) * MemoryLayout<Float>.stride
    let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: Self.alignment)
    pointer = raw.initializeMemory(as: Float.self, repeating: 0, count: count)
    self.count = count
    parts = []
    window = nil
  }

  /// Places the buffers of a node's ranks in shared memory.
  ///
  /// - Parameter rank: The index of this rank on its node.
  package init(count: Int, window: SharedMemoryWindow, rank: Int) {
    parts = window.parts.map { $0.bindMemory(to: Float.self, capacity: count) }
    pointer = parts[rank]
    self.count = count
    self.window = window
  }

  deinit {
    if window == nil { UnsafeMutableRawPointer(pointer).deallocate() }
  }
}
