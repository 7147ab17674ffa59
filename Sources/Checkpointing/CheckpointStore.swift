import Files
import TensorCore

/// The checkpoints of a run folder: written so that no moment is without a sound one.
///
///     <folder>/checkpoints/step-00001200.safetensors.zst
///     <folder>/best.safetensors.zst
///
/// A checkpoint is written under a temporary name, made durable, read back and verified, and only
/// then takes its name, which is made durable too; after that, and never before, old ones go. Only
/// one process may write in a folder; the run's lock sees to that.
package final class CheckpointStore: Sendable {
  /// A step of saving that has just been done; tests look at the folder after each.
  enum Operation: Sendable, Equatable {
    case opened
    case written
    case finishedWriting
    case verified
    case renamed
    case synchronizedDirectory
    case pruned(step: Int)
  }

  /// Is asked before bytes of a checkpoint are written.
  ///
  /// - Parameters:
  ///   - count: how many bytes come next.
  ///   - offset: how many of the file have been written.
  /// - Returns: how many of them to write before it is asked again, 1 to `count`.
  /// - Throws: what the save is to fail with.
  package typealias WriteHook = @Sendable (_ count: Int, _ offset: Int) throws -> Int

  /// The run folder.
  package let folder: String

  /// How many step checkpoints stay, the newest ones.
  package let keepLast: Int

  /// How hard zstd tries, 1 to 19.
  package let level: Int

  /// The level for a save that must be done at once: ten times as fast as 3, and a tenth larger.
  package static let urgentLevel = -1

  private let afterOperation: @Sendable (Operation) throws -> Void

  /// Describes the store of a run folder, without touching it.
  ///
  /// - Parameters:
  ///   - folder: the run folder.
  ///   - keepLast: how many step checkpoints stay, at least 1.
  ///   - level: how hard zstd tries, 1 to 19.
  package convenience init(folder: String, keepLast: Int, level: Int = 3) {
    self.init(folder: folder, keepLast: keepLast, level: level) { _ in }
  }

  init(
    folder: String, keepLast: Int, level: Int = 3,
    afterOperation: @escaping @Sendable (Operation) throws -> Void
  ) {
    precondition(keepLast >= 1, "\(keepLast) checkpoints cannot be kept")
    self.folder = folder
    self.keepLast = keepLast
    self.level = level
    self.afterOperation = afterOperation
  }

  /// Creates the folder for checkpoints and removes what a killed process has left half written.
  ///
  /// To be called by the one process that may write here, before it writes.
  ///
  /// - Returns: the temporary files that were removed.
  /// - Throws: `CheckpointError`.
  @discardableResult
  package func prepare() throws(CheckpointError) -> [String] {
    try CheckpointError.translating(folder) {
      try FileSystem.createDirectory(stepFolder)
      try FileSystem.synchronizeDirectory(folder)
      // A run folder that was made just now needs its name, too; one that may not be looked at has
      // been made by somebody else.
      try? FileSystem.synchronizeDirectory(FileSystem.parent(of: folder))
    }
    return try sweep()
  }

  /// Removes what is half written, of a killed process or of a save that an error has cut short.
  ///
  /// - Returns: the temporary files that were removed.
  /// - Throws: `CheckpointError`, also where there is no such folder: it is not created.
  @discardableResult
  package func sweep() throws(CheckpointError) -> [String] {
    try CheckpointError.translating(folder) {
      var removed: [String] = []
      for directory in [folder, stepFolder] {
        for name in try FileSystem.list(directory) where Self.isStale(name) {
          try FileSystem.remove("\(directory)/\(name)")
          removed.append("\(directory)/\(name)")
        }
      }
      return removed
    }
  }

  /// Saves the checkpoint of a step; then old ones go, so that the last `keepLast` stay.
  ///
  /// Checkpoints of later steps, which a run that was set back may have, do not count and stay. The
  /// run folder must be there: one that was removed does not come back with a part of the run.
  ///
  /// - Parameters:
  ///   - draft: the tensors and metadata.
  ///   - step: the number of steps done.
  ///   - level: how hard zstd tries this time; nil for the store's own level.
  ///   - writeHook: called before bytes are written.
  /// - Returns: the file.
  /// - Throws: `CheckpointError`; where the new checkpoint could not be written, its temporary file is
  ///   removed and all older ones are as they were.
  @discardableResult
  package func save(
    _ draft: CheckpointContents, step: Int, level: Int? = nil,
    writeHook: WriteHook = { count, _ in count }
  ) throws(CheckpointError) -> String {
    let path = path(ofStep: step)
    try CheckpointError.translating(path) {
      try FileSystem.createDirectory(stepFolder, withParents: false)
      try write(draft, to: path, level: level ?? self.level, writeHook)
      try prune(upTo: step)
    }
    return path
  }

  /// Saves the best checkpoint in the place of the one before.
  ///
  /// - Parameters:
  ///   - draft: the tensors and metadata.
  ///   - level: how hard zstd tries this time; nil for the store's own level.
  ///   - writeHook: called before bytes are written.
  /// - Returns: the file.
  /// - Throws: `CheckpointError`; the best checkpoint from before then still stands.
  @discardableResult
  package func saveBest(
    _ draft: CheckpointContents, level: Int? = nil, writeHook: WriteHook = { count, _ in count }
  ) throws(CheckpointError) -> String {
    try CheckpointError.translating(bestPath) {
      try write(draft, to: bestPath, level: level ?? self.level, writeHook)
    }
    return bestPath
  }

  private func write(
    _ draft: CheckpointContents, to path: String, level: Int, _ writeHook: WriteHook
  ) throws {
    let file = try FileReplacement(of: path)
    try afterOperation(.opened)
    var offset = 0
    try draft.write(level: level, path: path) { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = rest.prefix(try writeHook(rest.count, offset))
        try file.writer.write(UnsafeRawBufferPointer(rebasing: piece))
        rest = rest.dropFirst(piece.count)
        offset += piece.count
      }
    }
    try afterOperation(.written)
    try file.finishWriting()
    try afterOperation(.finishedWriting)
    try readBack(file.temporaryPath)
    try afterOperation(.verified)
    try file.rename()
    try afterOperation(.renamed)
    try file.synchronizeDirectory()
    try afterOperation(.synchronizedDirectory)
  }

  /// Verifies what has just been written; a fault here is one of the device, not of the user's file.
  private func readBack(_ path: String) throws(CheckpointError) {
    do throws(CheckpointError) {
      try Checkpoint.verify(path: path)
    } catch {
      throw .storage(path, error.place, "it was written but does not read back: \(error.reason)")
    }
  }

  /// Removes step checkpoints, the oldest first, that are not among the last up to a step.
  private func prune(upTo newest: Int) throws {
    let old = try steps().filter { $0 <= newest }.dropLast(keepLast)
    for step in old {
      do throws(FileError) {
        try FileSystem.remove(path(ofStep: step))
      } catch {
        guard error.isMissing else { throw error }
      }
      try afterOperation(.pruned(step: step))
    }
  }
}
