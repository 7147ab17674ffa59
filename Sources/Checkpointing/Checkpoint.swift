import Files
import TensorCore

/// A verified checkpoint: named tensors and strings.
///
/// The file is one zstd frame, with a checksum and its content's size, of an ordinary safetensors
/// file whose metadata hold the hash of the tensors. Everything is verified before the object is
/// created.
package final class Checkpoint: Sendable {
  /// The value of the metadata key `format`.
  package static var format: String { CheckpointFormat.name }

  /// The value of the metadata key `version`.
  package static var version: String { CheckpointFormat.version }

  /// The file.
  package let path: String

  /// Its tensors, by name.
  package let tensors: SafetensorsFile

  /// Its strings, by key.
  package var metadata: [String: String] { tensors.header.metadata }

  /// Reads and verifies a checkpoint.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - largestContent: the largest size of the tensors that is accepted, in bytes. The default,
  ///     64 MiB and 16 times the size of the file, is far above the compression ratio of trained
  ///     parameters, and limits the memory that a forged file can take.
  /// - Throws: `CheckpointError` for any defect.
  package init(path: String, largestContent: Int? = nil) throws(CheckpointError) {
    let (_, content) = try Self.scan(path, largestContent: largestContent, isKept: true)
    guard let content else { preconditionFailure("the content of \(path) was not kept") }
    self.path = path
    tensors = try CheckpointError.translating(path) {
      try SafetensorsFile(storage: content, path: path)
    }
  }

  /// Verifies a checkpoint to the last bit in a fixed amount of memory.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - largestContent: as for `init(path:largestContent:)`.
  /// - Returns: its tensors' names, types and shapes, and its metadata.
  /// - Throws: `CheckpointError` for any defect.
  @discardableResult
  package static func verify(
    path: String, largestContent: Int? = nil
  ) throws(CheckpointError) -> SafetensorsHeader {
    try scan(path, largestContent: largestContent, isKept: false).header
  }

  private static func scan(
    _ path: String, largestContent: Int?, isKept: Bool
  ) throws(CheckpointError) -> (header: SafetensorsHeader, content: MemoryBytes?) {
    try CheckpointError.translating(path) {
      let file = try FileReader(path: path)
      let limit = largestContent ?? defaultLargestContent(fileByteCount: file.byteCount)
      let decompressor = try ZstdDecompressor(largestContent: limit, path: path)
      var scanner: CheckpointScanner?
      // The checksum of the frame comes last. Until it is verified, an invalid header does not
      // prove another version or format: its bytes may be damaged.
      var fault: (any Error)?
      try file.readPieces { piece in
        try decompressor.write(piece) { content in
          guard fault == nil else { return }
          do {
            let size = decompressor.contentByteCount ?? 0
            let active =
              try scanner ?? CheckpointScanner(contentByteCount: size, isKept: isKept, path: path)
            scanner = active
            try active.take(content)
          } catch {
            fault = error
          }
        }
      }
      try decompressor.finish()
      if let fault { throw fault }
      guard let scanner else { throw CheckpointError.foreign(path, "frame", "it is empty") }
      return try scanner.finish()
    }
  }

  private static func defaultLargestContent(fileByteCount: Int) -> Int {
    let (product, overflow) = fileByteCount.multipliedReportingOverflow(by: 16)
    let (sum, secondOverflow) = product.addingReportingOverflow(64 << 20)
    return overflow || secondOverflow ? Int.max : sum
  }
}
