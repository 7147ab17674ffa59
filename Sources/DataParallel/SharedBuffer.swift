import MPIKit

/// Float32 elements of one rank that every rank of the job holds alike, such as gradients.
///
/// Made by ``Collective/makeSharedBuffer(count:)`` and used for the rest of the run. Shared memory
/// stays allocated until the process ends, because giving it back would need all ranks.
package final class SharedBuffer {
  /// The first element, on a cache line of its own; zero at the start.
  package let pointer: UnsafeMutablePointer<Float>

  /// The number of elements.
  package let count: Int

  /// All elements.
  package var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  /// The same buffer of each rank on this node, in rank order, where memory is shared.
  package let parts: [UnsafeMutablePointer<Float>]

  /// The shared memory that `parts` lie in; nil for memory of this process alone.
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

  /// Lays the buffer over shared memory.
  ///
  /// - Parameter rank: This rank's place on its node.
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
