import Foundation

/// A new folder that is removed, with all it holds, when the object goes away.
///
/// Keep the object in a constant of the test and end the test with `withExtendedLifetime`, or use
/// `withTemporaryFolder`, which does so.
package final class TemporaryFolder: Sendable {
  /// The path of the folder.
  package let path: String

  /// Creates the folder in the system's place for temporary files.
  ///
  /// - Throws: the file manager's error if it cannot be created.
  package init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("dferc-test-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file or folder inside.
  package func path(_ name: String) -> String { "\(path)/\(name)" }
}

/// Runs a test with a new folder that is removed afterwards, whatever happens.
///
/// - Parameter body: is given the folder.
/// - Returns: what the body returns.
/// - Throws: what the body throws, or the file manager's error.
@discardableResult
package func withTemporaryFolder<Result>(_ body: (TemporaryFolder) throws -> Result) throws
  -> Result
{
  let folder = try TemporaryFolder()
  return try withExtendedLifetime(folder) { try body(folder) }
}
