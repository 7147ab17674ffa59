import Glibc

/// Bytes that are neither moved nor changed while their owner is alive.
///
/// A pointer into `bytes` is valid only as long as the owner is referenced.
package protocol ByteStorage: AnyObject, Sendable {
  /// All bytes; valid while the owner is alive.
  var bytes: UnsafeRawBufferPointer { get }
}

/// Bytes in memory that this object allocates and frees.
///
/// The memory is allocated but not touched, so that a size declared by a damaged file takes no
/// physical memory until bytes are written.
package final class MemoryBytes: ByteStorage {
  // Written only before the object is shared between threads; read-only afterwards.
  private nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer

  /// All bytes; valid while the object is alive.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory) }

  /// The same bytes for writing; to be used only before the object is shared.
  package var mutableBytes: UnsafeMutableRawBufferPointer { memory }

  /// Allocates memory with undefined content; nil if there is not enough.
  ///
  /// - Parameter byteCount: the number of bytes, 0 or more.
  package init?(byteCount: Int) {
    precondition(byteCount >= 0, "\(byteCount) bytes cannot be allocated")
    guard let start = malloc(max(byteCount, 1)) else { return nil }
    memory = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }

  /// Allocates memory and copies bytes into it.
  ///
  /// - Parameter content: the bytes.
  package init(_ content: [UInt8]) {
    guard let start = malloc(max(content.count, 1)) else {
      preconditionFailure("no memory for a copy of \(content.count) bytes")
    }
    memory = UnsafeMutableRawBufferPointer(start: start, count: content.count)
    memory.copyBytes(from: content)
  }

  deinit { free(memory.baseAddress) }
}
