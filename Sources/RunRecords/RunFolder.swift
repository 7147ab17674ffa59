import Configuration
import Files
import Foundation

/// The folder of one run: its configuration, logs, checkpoints and result.
///
/// Only rank 0 has one. While it is open, `run.lock` excludes other jobs.
package final class RunFolder {
  /// The path of the folder.
  package let path: String

  /// Its lock.
  package let lock: RunLock

  /// Creates the folder if it is missing and acquires its lock.
  ///
  /// - Parameters:
  ///   - path: The folder.
  ///   - timing: The times of the heartbeat of the lock.
  /// - Throws: `RunFolderError` if another job uses the folder, `FileError` if it cannot be written.
  package init(path: String, timing: RunLock.Timing = .standard) throws {
    self.path = path
    try FileSystem.createDirectory(path)
    lock = try RunLock(folder: path, timing: timing)
    try removeUnfinished()
  }

  /// Removes temporary files of a killed job, except for checkpoints.
  private func removeUnfinished() throws(FileError) {
    for name in try FileSystem.list(path) {
      guard let final = FileReplacement.finalName(ofTemporary: name), Self.names.contains(final)
      else { continue }
      // Another job may be acquiring the lock at the same time.
      let process = name.dropFirst(final.count + 1).dropLast(4)
      if final == Self.lockName, FileSystem.exists("/proc/\(process)") { continue }
      try FileSystem.remove("\(path)/\(name)")
    }
  }

  private static let lockName = "run.lock"
  private static let names: Set = [
    "config.yaml", "metrics.jsonl", "metrics.csv", "samples.jsonl", "result.json", lockName,
  ]

  // An error may skip the call of `close()`.
  deinit { try? lock.release() }

  /// The path of the log file.
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
  /// - Throws: `FileError`, or `EncodingError` for a value that is not finite.
  package func write(_ result: RunResult) throws {
    try FileSystem.write(try JSONText.document(result), to: "\(path)/result.json")
  }

  /// The result of a run that has finished in this folder; nil if it cannot be read.
  package func result() -> RunResult? {
    guard let bytes = try? FileSystem.readAll("\(path)/result.json") else { return nil }
    return try? JSONDecoder().decode(RunResult.self, text: bytes)
  }

  /// Removes the result of an earlier, shorter run.
  ///
  /// - Throws: `FileError`.
  package func removeResult() throws(FileError) {
    do { try FileSystem.remove("\(path)/result.json") } catch {
      guard error.isMissing else { throw error }
    }
  }

  /// Checks that no other job has taken over the folder, by reading the lock; to be called before
  /// every save.
  ///
  /// - Throws: `RunFolderError`.
  package func confirmOwnership() throws(RunFolderError) { try lock.confirm() }

  /// Checks that the folder and its lock still exist.
  ///
  /// - Throws: `RunFolderError`; what is written to open files of a removed folder is lost.
  package func confirmPresence() throws(RunFolderError) { try lock.confirmPresence() }

  /// Releases the lock, which `deinit` does too.
  ///
  /// - Throws: `FileError`.
  package func close() throws(FileError) { try lock.release() }
}
