import Crypto
import Files
import TensorCore

/// Checks a checkpoint's content while it streams by, and keeps it if asked to.
///
/// The header is checked as soon as it is complete, before the data are taken; the hash of the data
/// runs along, so that verifying needs neither a second pass nor memory for the data.
final class CheckpointScanner {
  private let path: String
  private let contentByteCount: Int
  private let kept: MemoryBytes?
  private var position = 0
  private var start: [UInt8] = []
  private var header: SafetensorsHeader?

  /// Hundreds of times the header of any model; the header is held twice while it is read.
  private static let largestHeader = 16 << 20
  private var hash = SHA256()

  /// Begins with an empty content.
  ///
  /// - Parameters:
  ///   - contentByteCount: the size of the whole content, which is not exceeded.
  ///   - isKept: whether the content is to stay in memory.
  ///   - path: the file's name, for messages.
  /// - Throws: `CheckpointError` if there is not enough memory.
  init(contentByteCount: Int, isKept: Bool, path: String) throws(CheckpointError) {
    self.path = path
    self.contentByteCount = contentByteCount
    kept = isKept ? MemoryBytes(byteCount: contentByteCount) : nil
    if isKept && kept == nil {
      throw .storage(path, "frame", "there is no memory for \(contentByteCount) bytes")
    }
  }

  /// Takes the next piece of the content.
  ///
  /// - Throws: `CheckpointError` or `SafetensorsError` if the header is not as it should be.
  func take(_ bytes: UnsafeRawBufferPointer) throws {
    if let kept {
      UnsafeMutableRawBufferPointer(rebasing: kept.mutableBytes[position...]).copyMemory(
        from: bytes)
    }
    position += bytes.count
    let data = header == nil ? try takeHeader(bytes) : bytes
    hash.update(bufferPointer: data)
  }

  /// Takes what belongs to the header, and returns the rest.
  private func takeHeader(_ bytes: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer {
    var rest = bytes[...]
    func take(upTo byteCount: Int) {
      // A header may come in many pieces, and then holds more than its beginning already.
      let piece = rest.prefix(max(0, byteCount - start.count))
      start.append(contentsOf: piece)
      rest = rest.dropFirst(piece.count)
    }
    take(upTo: min(8, contentByteCount))
    if start.count >= min(8, contentByteCount) {
      let dataStart = try start.withUnsafeBytes { start in
        try SafetensorsHeader.dataStart(of: start, fileByteCount: contentByteCount, path: path)
      }
      guard dataStart <= Self.largestHeader else {
        throw CheckpointError.foreign(
          path, "header", "its \(dataStart) bytes are over \(Self.largestHeader)")
      }
      start.reserveCapacity(dataStart)
      take(upTo: dataStart)
      if start.count == dataStart { try parseHeader() }
    }
    return UnsafeRawBufferPointer(rebasing: rest)
  }

  private func parseHeader() throws {
    let parsed = try start.withUnsafeBytes { start in
      try SafetensorsHeader(parsing: start, fileByteCount: contentByteCount, path: path)
    }
    start = []
    try CheckpointFormat.check(parsed.metadata, path)
    header = parsed
  }

  /// Checks the hash of the data after the last piece.
  ///
  /// - Returns: the header, and the content if it was kept.
  /// - Throws: `CheckpointError` if the content is incomplete or its data were changed.
  func finish() throws(CheckpointError) -> (header: SafetensorsHeader, content: MemoryBytes?) {
    guard let header, position == contentByteCount else {
      throw .foreign(path, "header", "the content ends inside it (HeaderTooSmall)")
    }
    guard header.metadata["sha256"] == CheckpointFormat.hexadecimal(hash.finalize()) else {
      throw .damaged(path, "metadata sha256", "it is not the hash of the tensors")
    }
    return (header, kept)
  }
}
