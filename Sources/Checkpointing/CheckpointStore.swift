import Files
import TensorCore

/// The checkpoints of a run folder, saved so that a valid one exists at any time.
///
///     <folder>/checkpoints/step-00001200.safetensors.zst
///     <folder>/best.safetensors.zst
///
/// A checkpoint is written under a temporary name, made durable, read back and verified, and only
/// then renamed, durably; old ones are removed after that. Only one process may write in a folder,
/// which the lock of the run ensures.
package final class CheckpointStore: Sendable {
  /// A completed step of a save; tests inspect the folder after each.
  enum Operation: Sendable, Equatable {
    case opened
    case written
    case finishedWriting
    case verified
    case renamed
    case synchronizedDirectory
    case pruned(step: Int)
  }

  /// Called before bytes of a checkpoint are written.
  ///
  /// - Parameters:
  ///   - count: the number of bytes that are to be written.
  ///   - offset: the number of bytes that have been written.
  /// - Returns: the number of bytes to write before the next call, 1 to `count`.
  /// - Throws: an error that ends the save.
  package typealias WriteHook = @Sendable (_ count: Int, _ offset: Int) throws -> Int

  /// The run folder.
  package let folder: String

  /// The number of step checkpoints that are kept, the newest ones.
  package let keepLast: Int

  /// The compression level of zstd, 1 to 19.
  package let level: Int

  /// The level of an urgent save: ten times as fast as 3, with files a tenth larger.
  package static let urgentLevel = -1

  private let afterOperation: @Sendable (Operation) throws -> Void

  /// Describes the store of a run folder; nothing is read or written.
  ///
  /// - Parameters:
  ///   - folder: the run folder.
  ///   - keepLast: the number of step checkpoints that are kept, at least 1.
  ///   - level: the compression level of zstd, 1 to 19.
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

  /// Creates the folder for checkpoints and removes temporary files of a killed process.
  ///
  /// To be called before the first save, by the process that holds the lock of the run.
  ///
  /// - Returns: the temporary files that were removed.
  /// - Throws: `CheckpointError`.
  @discardableResult
  package func prepare() throws(CheckpointError) -> [String] {
    try CheckpointError.translating(folder) {
      try FileSystem.createDirectory(stepFolder)
      try FileSystem.synchronizeDirectory(folder)
      // The name of a new run folder must be durable, too; a parent folder without permission was
      // not created by this process.
      try? FileSystem.synchronizeDirectory(FileSystem.parent(of: folder))
    }
    return try sweep()
  }

  /// Removes temporary files of a killed process or of a failed save.
  ///
  /// - Returns: the temporary files that were removed.
  /// - Throws: `CheckpointError`, also if there is no such folder, which is not created.
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

  /// Saves the checkpoint of a step, and then removes all but the last `keepLast`.
  ///
  /// Checkpoints of later steps, which a run may have that was resumed from an earlier one, do not
  /// count and are kept. The run folder must exist: one that was removed is not created again.
  ///
  /// - Parameters:
  ///   - draft: the tensors and metadata.
  ///   - step: the number of steps done.
  ///   - level: the compression level of this save; nil for the store's own level.
  ///   - writeHook: called before bytes are written.
  /// - Returns: the file.
  /// - Throws: `CheckpointError`; if the new checkpoint cannot be written, its temporary file is
  ///   removed and all older ones are kept.
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

  /// Replaces the best checkpoint.
  ///
  /// - Parameters:
  ///   - draft: the tensors and metadata.
  ///   - level: the compression level of this save; nil for the store's own level.
  ///   - writeHook: called before bytes are written.
  /// - Returns: the file.
  /// - Throws: `CheckpointError`; the previous best checkpoint is kept then.
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

  /// Verifies a file that has just been written; a defect is a failure of the device.
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
