import Files
import Foundation

/// The folder of a run that keeps nothing; it goes with all that it holds, however the run ends.
package final class TemporaryRunFolder: Sendable {
  /// The path of the folder, which is not made here.
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

  /// Removes the folder of a run that an error ends.
  package func programEnds(with message: String) { try? FileSystem.removeTree(path) }
}
