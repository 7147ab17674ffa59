import Files
import TensorCore

/// The version of the program in `--version`, checkpoints and results.
package enum ProgramVersion {
  /// The version in the form of semver.org.
  package static let current = "1.0.0"

  /// A digest of the program's file as 16 hexadecimal digits, because two builds of one version may
  /// differ in the last bits of their results; `unknown` if the file cannot be read.
  package static let build: String = {
    guard let file = try? MappedFile(path: "/proc/self/exe") else { return "unknown" }
    var digest = StableDigest()
    digest.add(file.bytes)
    return digest.hexadecimal
  }()
}
