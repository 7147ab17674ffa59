import Glibc

/// Reads a file sequentially.
///
/// Unlike a mapping, it reports a device failure as an error instead of a signal.
package final class FileReader {
  /// The path that was opened.
  package let path: String

  /// The size of the file in bytes when it was opened.
  package let byteCount: Int

  private let descriptor: Int32

  /// Opens a regular file.
  ///
  /// - Parameter path: the file.
  /// - Throws: `FileError` if the file is missing, unreadable or not a regular file.
  package init(path: String) throws(FileError) {
    self.path = path
    (descriptor, byteCount) = try SystemCalls.openForReading(path)
  }

  deinit { try? SystemCalls.close(descriptor, path) }

  /// Reads the next bytes until the buffer is full or the file ends.
  ///
  /// - Parameter buffer: receives the bytes.
  /// - Returns: the number of bytes read; less than the buffer's size only at the end of the file.
  /// - Throws: `FileError` if the device fails.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
    var filled = 0
    while filled < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
      let count = try SystemCalls.read(descriptor, into: rest, path)
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  /// Passes the rest of the file to `body` in pieces, each of them valid during its call only.
  ///
  /// - Parameters:
  ///   - byteCount: the size of a piece in bytes; the last one may be shorter.
  ///   - body: called with each piece.
  /// - Throws: `FileError` if the device fails, or what the body throws.
  package func readPieces(
    of byteCount: Int = 1 << 20, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
    defer { buffer.deallocate() }
    var count = byteCount
    while count == byteCount {
      count = try read(into: buffer)
      if count > 0 { try body(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
    }
  }
}
