import Files
import JobControl
import TensorCore

/// Checks of the path given by `--output`.
package enum OutputFile {
  /// Checks that a path names a file in an existing folder, before the work that it is for.
  ///
  /// - Throws: `TrainingError` of kind `usage`.
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
