import Crypto
import Files
import TensorCore

/// The metadata that make a safetensors file a checkpoint.
enum CheckpointFormat {
  static let name = "dferc-checkpoint"
  static let version = "1"

  /// The keys that the writer sets itself.
  static let reservedKeys: Set<String> = ["format", "version", "sha256"]

  /// Throws for a file that is no checkpoint, or of another version.
  static func check(_ metadata: [String: String], _ path: String) throws(CheckpointError) {
    guard let format = metadata["format"] else {
      throw .foreign(path, "metadata format", "it is not there")
    }
    guard format == name else {
      throw .foreign(path, "metadata format", "it is \"\(format.excerpt())\", not \"\(name)\"")
    }
    let found = metadata["version"] ?? ""
    guard found == version else {
      throw CheckpointError(
        kind: .wrongVersion, path: path, place: "metadata version",
        reason: "it is \"\(found.excerpt())\", but this program reads \"\(version)\"",
        cure: "Use the version of dferc-dist that has written it.")
    }
  }

  /// The lower-case hexadecimal digits of a hash.
  static func hexadecimal(_ digest: SHA256.Digest) -> String {
    let digits = Array("0123456789abcdef".utf8)
    let text = digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }
}
