import Files
import Foundation

/// A temporary run folder, which is removed with its content however the run ends.
package final class TemporaryRunFolder: Sendable {
  /// The path of the folder, which is not created here.
  package let path: String

  package init() {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("dferc-dist-\(UUID().uuidString)").path
  }

  /// Removes the folder.
  ///
  /// - Throws: `FileError`.
  package func remove() throws(FileError) {
    try FileSystem.removeTree(path)
  }

  /// Removes the folder after an error that ends the program.
  package func programEnds(with message: String) { try? FileSystem.removeTree(path) }
}
