import Configuration
import Files
import Foundation

/// The folder of one run: its configuration, logs, checkpoints and result.
///
/// Only rank 0 holds one. While it is open, `run.lock` keeps other jobs out.
package final class RunFolder {
  /// The path of the folder.
  package let path: String

  /// Its lock.
  package let lock: RunLock

  /// Creates the folder if need be and takes its lock.
  ///
  /// - Parameters:
  ///   - path: The folder.
  ///   - timing: How the heartbeat of the lock goes.
  /// - Throws: `RunFolderError` if another job uses the folder, `FileError` if it cannot be written.
  package init(path: String, timing: RunLock.Timing = .standard) throws {
    self.path = path
    try FileSystem.createDirectory(path)
    lock = try RunLock(folder: path, timing: timing)
    try removeUnfinished()
  }

  /// Removes what a killed job has left half written, but for checkpoints.
  private func removeUnfinished() throws(FileError) {
    for name in try FileSystem.list(path) {
      guard let final = FileReplacement.finalName(ofTemporary: name), Self.names.contains(final)
      else { continue }
      // Another job may be looking for a free folder at this moment.
      let process = name.dropFirst(final.count + 1).dropLast(4)
      if final == Self.lockName, FileSystem.exists("/proc/\(process)") { continue }
      try FileSystem.remove("\(path)/\(name)")
    }
  }

  private static let lockName = "run.lock"
  private static let names: Set = [
    "config.yaml", "metrics.jsonl", "metrics.csv", "samples.jsonl", "result.json", lockName,
  ]

  // An error may pass the place where the folder would be closed.
  deinit { try? lock.release() }

  /// The file that log lines are added to.
  package var log: String { "\(path)/log.txt" }

  /// Writes `config.yaml`.
  ///
  /// - Parameter configuration: The merged configuration.
  /// - Throws: `FileError`.
  package func write(_ configuration: RunConfiguration) throws(FileError) {
    try FileSystem.write(configuration.yaml, to: "\(path)/config.yaml")
  }

  /// Writes `result.json`.
  ///
  /// - Throws: `FileError`, or `EncodingError` for a figure that is not finite.
  package func write(_ result: RunResult) throws {
    try FileSystem.write(try JSONText.document(result), to: "\(path)/result.json")
  }

  /// The result of a run that finished in this folder; nil where there is none that can be read.
  package func result() -> RunResult? {
    guard let bytes = try? FileSystem.readAll("\(path)/result.json") else { return nil }
    return try? JSONDecoder().decode(RunResult.self, text: bytes)
  }

  /// Removes the result of an earlier, shorter run, which no longer holds.
  ///
  /// - Throws: `FileError`.
  package func removeResult() throws(FileError) {
    do { try FileSystem.remove("\(path)/result.json") } catch {
      guard error.isMissing else { throw error }
    }
  }

  /// Checks that no other job has taken the folder over, by reading the lock; for every save.
  ///
  /// - Throws: `RunFolderError`.
  package func confirmOwnership() throws(RunFolderError) { try lock.confirm() }

  /// Checks that the folder is where it was, with its lock in it.
  ///
  /// - Throws: `RunFolderError`; what is written to open files of a removed folder is lost.
  package func confirmPresence() throws(RunFolderError) { try lock.confirmPresence() }

  /// Gives the folder free for other jobs; an object that goes away does so too.
  ///
  /// - Throws: `FileError`.
  package func close() throws(FileError) { try lock.release() }
}
