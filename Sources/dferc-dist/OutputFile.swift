import Files
import JobControl
import TensorCore

/// Files that a command was asked to write with `--output`.
package enum OutputFile {
  /// Checks that a file can be named so and that its folder exists, before any work is done for it.
  ///
  /// - Throws: `TrainingError` of kind `usage`; a missing folder is no missing input.
  package static func requireFolder(of path: String) throws(TrainingError) {
    let folder = FileSystem.parent(of: path)
    guard !path.hasSuffix("/"), !FileSystem.isDirectory(path) else {
      throw TrainingError(
        kind: .usage, place: "--output \(path)", reason: "this names a folder, not a file",
        cure: "Name a file inside it.")
    }
    guard !FileSystem.isDirectory(folder) else { return }
    throw TrainingError(
      kind: .usage, place: "--output \(path)", reason: "the folder \(folder) does not exist",
      cure: "Create it, or choose another file.")
  }
}
