import Glibc

/// Writes a file from its start, or appends to it.
///
/// Writes are not buffered: each `write` reaches the kernel before it returns, so that a line of a
/// log survives a crash of the process. The file is closed with the object at the latest; `close()`
/// reports failures that the file system detects only then.
package final class FileWriter {
  /// What happens to an existing file.
  package enum Mode: Sendable {
    /// Its content is replaced.
    case replace
    /// New bytes are added at its end; each `write` stays in one piece even with several writers.
    case append
    /// It is an error (`EEXIST`); of several processes only one can create the file.
    case exclusive

    fileprivate var flags: Int32 {
      switch self {
      case .replace: O_CREAT | O_TRUNC
      case .append: O_CREAT | O_APPEND
      case .exclusive: O_CREAT | O_EXCL
      }
    }
  }

  /// The path that was opened.
  package let path: String

  private var descriptor: Int32

  /// Opens a file for writing and creates it where it does not exist.
  ///
  /// - Parameters:
  ///   - path: the file; its folder must exist.
  ///   - mode: what happens to an existing file.
  /// - Throws: `FileError`.
  package init(path: String, mode: Mode = .replace) throws(FileError) {
    self.path = path
    descriptor = try SystemCalls.open(path, O_WRONLY | mode.flags, isOutput: true)
  }

  deinit { try? close() }

  /// Writes all the bytes.
  ///
  /// - Throws: `FileError`, for example when the device is full; part of the bytes may be written.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    precondition(descriptor >= 0, "\(path) was written after it was closed")
    try SystemCalls.write(descriptor, bytes, path)
  }

  /// Writes all the bytes of an array.
  ///
  /// - Throws: `FileError`.
  package func write(_ bytes: [UInt8]) throws(FileError) {
    try bytes.withUnsafeBufferPointer { (content) throws(FileError) in
      try write(UnsafeRawBufferPointer(content))
    }
  }

  /// Writes a text in UTF-8.
  ///
  /// - Throws: `FileError`.
  package func write(_ text: String) throws(FileError) {
    try write(Array(text.utf8))
  }

  /// Writes the content to the device, so that it survives a loss of power.
  ///
  /// - Throws: `FileError`.
  package func synchronize() throws(FileError) {
    precondition(descriptor >= 0, "\(path) was synchronized after it was closed")
    try SystemCalls.check("fsync", path, isOutput: true) { fsync(descriptor) }
  }

  /// Closes the file; a second call does nothing.
  ///
  /// - Throws: `FileError`, where the file system reports a failed write only now.
  package func close() throws(FileError) {
    guard descriptor >= 0 else { return }
    let open = descriptor
    descriptor = -1
    try SystemCalls.close(open, path)
  }
}
