import Glibc

/// A file that is mapped into memory and loaded by the kernel on access.
///
/// The mapping is read-only and lives as long as the object. A file that is truncated meanwhile
/// cannot be read safely through a mapping; this program therefore replaces files only by a rename,
/// which keeps existing mappings valid.
package final class MappedFile: ByteStorage {
  /// The path that was opened.
  package let path: String

  /// All bytes of the file; valid while the object is alive.
  package nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  /// Maps a regular file, which may be empty.
  ///
  /// - Parameter path: the file.
  /// - Throws: `FileError` if the file is missing, unreadable or not a regular file.
  package init(path: String) throws(FileError) {
    let (descriptor, size) = try SystemCalls.openForReading(path)
    defer { try? SystemCalls.close(descriptor, path) }
    self.path = path
    guard size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let start, start != MAP_FAILED else {
      throw FileError(path: path, operation: "map", code: errno)
    }
    bytes = UnsafeRawBufferPointer(start: start, count: size)
  }

  deinit {
    guard let start = bytes.baseAddress else { return }
    munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
  }
}
