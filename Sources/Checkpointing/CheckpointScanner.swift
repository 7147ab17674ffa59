import Crypto
import Files
import TensorCore

/// Verifies the content of a checkpoint as a stream, and optionally keeps it.
///
/// The header is checked as soon as it is complete, before the data; the hash is computed during
/// the same pass, so that verifying needs no memory for the data.
final class CheckpointScanner {
  private let path: String
  private let contentByteCount: Int
  private let kept: MemoryBytes?
  private var position = 0
  private var start: [UInt8] = []
  private var header: SafetensorsHeader?

  /// The largest header in bytes, as it is held twice while it is read; hundreds of times that of
  /// any model.
  private static let largestHeader = 16 << 20
  private var hash = SHA256()

  /// Creates a scanner before the first byte.
  ///
  /// - Parameters:
  ///   - contentByteCount: the size of the whole content in bytes.
  ///   - isKept: whether the content is kept in memory.
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

  /// Processes the next piece of the content.
  ///
  /// - Throws: `CheckpointError` or `SafetensorsError` if the header is invalid.
  func take(_ bytes: UnsafeRawBufferPointer) throws {
    if let kept {
      UnsafeMutableRawBufferPointer(rebasing: kept.mutableBytes[position...]).copyMemory(
        from: bytes)
    }
    position += bytes.count
    let data = header == nil ? try takeHeader(bytes) : bytes
    hash.update(bufferPointer: data)
  }

  /// Processes the part that belongs to the header, and returns the rest.
  private func takeHeader(_ bytes: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer {
    var rest = bytes[...]
    func take(upTo byteCount: Int) {
      // A header may arrive in many pieces, so that more than its length has arrived before.
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
