import Crypto
import Files
import TensorCore

/// A checkpoint that is to be written.
///
/// It references the tensors without copying them. Their memory must stay valid and unchanged until
/// the checkpoint is written; to train meanwhile, add copies.
package struct CheckpointContents: Sendable {
  private var file = SafetensorsWriter()

  /// Creates a checkpoint without tensors and metadata.
  package init() {}

  /// The strings of the metadata; `format`, `version` and `sha256` are added when it is written.
  package var metadata: [String: String] {
    get { file.metadata }
    set {
      let reserved = CheckpointFormat.reservedKeys.intersection(newValue.keys)
      precondition(reserved.isEmpty, "the metadata keys \(reserved.sorted()) are reserved")
      file.metadata = newValue
    }
  }

  /// Sets a string, which `Checkpoint.text(_:)` reads.
  package mutating func set(_ key: String, text: String) { metadata[key] = text }

  /// Sets a whole number, which `Checkpoint.integer(_:)` reads.
  package mutating func set(_ key: String, integer: Int) { metadata[key] = String(integer) }

  /// Adds a tensor in memory that the caller owns, which is neither copied nor retained.
  ///
  /// - Parameters:
  ///   - name: the tensor's name, which no other tensor has.
  ///   - values: its elements, row-major; they must stay valid until the checkpoint is written.
  ///   - shape: its extents, slowest first.
  package mutating func add<Element: SafetensorsElement>(
    _ name: String, _ values: UnsafeBufferPointer<Element>, shape: [Int]
  ) {
    file.add(name, values, shape: shape)
  }

  /// Adds a tensor from an array.
  ///
  /// - Parameters:
  ///   - name: the tensor's name, which no other tensor has.
  ///   - values: its elements, row-major.
  ///   - shape: its extents, slowest first.
  package mutating func add<Element: SafetensorsElement>(
    _ name: String, _ values: [Element], shape: [Int]
  ) {
    file.add(name, values, shape: shape)
  }

  /// Writes the frame into a sink, in two passes over the tensors: one for the hash, which is part
  /// of the header, and one for the compressor.
  func write(level: Int, path: String, to sink: ZstdCompressor.Sink) throws {
    var complete = file
    complete.metadata["format"] = CheckpointFormat.name
    complete.metadata["version"] = CheckpointFormat.version
    complete.metadata["sha256"] = try hashOfData()
    let compressor = try ZstdCompressor(
      level: level, contentByteCount: complete.byteCount, path: path)
    try complete.write { bytes in try compressor.write(bytes, to: sink) }
    try compressor.finish(to: sink)
  }

  private func hashOfData() throws -> String {
    var hash = SHA256()
    try file.writeData { hash.update(bufferPointer: $0) }
    return CheckpointFormat.hexadecimal(hash.finalize())
  }
}
