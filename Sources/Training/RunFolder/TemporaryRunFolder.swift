import Foundation
import TensorCore

/// The folder of a run that keeps nothing; it goes with all that it holds, however the run ends.
final class TemporaryRunFolder: DepartureWitness {
  /// The path of the folder, which is not made here.
  let path: String

  init() {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("dferc-dist-\(UUID().uuidString)").path
    Departure.summon(self)
  }

  /// Removes the folder.
  ///
  /// - Throws: `FileError`.
  func remove() throws(FileError) {
    Departure.dismiss(self)
    try FileSystem.removeTree(path)
  }

  func programEnds(with message: String) { try? FileSystem.removeTree(path) }
}
