import Glibc

/// Bytes that stay in place and unchanged for as long as their owner is alive.
///
/// Whoever keeps a pointer into `bytes` must keep the owner too.
package protocol ByteStorage: AnyObject, Sendable {
  /// All bytes; valid while the owner is alive.
  var bytes: UnsafeRawBufferPointer { get }
}

/// Bytes in memory of their own.
///
/// The memory is asked for without being touched, so that a size that a damaged file declares costs
/// nothing until bytes really arrive.
package final class MemoryBytes: ByteStorage {
  // Written only by whoever made the object, before it is handed on; read-only from then on.
  private nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer

  /// All bytes; valid while the object is alive.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory) }

  /// The same bytes for filling; to be used only before the object is shared.
  package var mutableBytes: UnsafeMutableRawBufferPointer { memory }

  /// Asks for memory whose content is not defined, or returns `nil` if there is not enough.
  ///
  /// - Parameter byteCount: the number of bytes, 0 or more.
  package init?(byteCount: Int) {
    precondition(byteCount >= 0, "memory of \(byteCount) bytes was asked for")
    guard let start = malloc(max(byteCount, 1)) else { return nil }
    memory = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }

  /// Copies bytes into memory of their own.
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
