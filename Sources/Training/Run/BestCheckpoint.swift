import Checkpointing
import Files
import Logging
import RunRecords

/// The best checkpoint of a run folder: the state after the best epoch.
package struct BestCheckpoint {
  private let store: CheckpointStore
  private let log: RunLog

  /// - Parameters:
  ///   - store: the checkpoints of the run folder.
  ///   - log: receives warnings.
  package init(in store: CheckpointStore, log: RunLog) {
    self.store = store
    self.log = log
  }

  /// Checks that the folder has the best checkpoint of a resumed run, or copies it there.
  ///
  /// A killed run may have saved a better epoch after the checkpoint that it resumes from. The
  /// resumed run reaches that epoch again, so the later file is kept, provided that configuration and
  /// data are unchanged. A run resumed in another folder copies the best checkpoint of its old one.
  ///
  /// - Parameters:
  ///   - progress: the progress in the checkpoint that the run resumes from.
  ///   - identity: the identity of the resumed run.
  ///   - checkpoint: the path of the checkpoint that the run resumes from.
  /// - Returns: whether the folder has the best checkpoint; if not, the best epoch is chosen among
  ///   later ones.
  /// - Throws: `CheckpointError` for a damaged best checkpoint, `FileError` if the copy fails.
  package func adopt(
    for progress: TrainingProgress, _ identity: RunIdentity, resumingFrom checkpoint: String
  ) throws -> Bool {
    guard let best = progress.best else { return true }
    if let own = try Self.read(store) {
      let isLater = own.progress.step > progress.step
      if own.progress.best == best { return true }
      if isLater, (try? identity.matches(own.checkpoint)) == true { return true }
    }
    let other = CheckpointStore(
      folder: FileSystem.parent(of: FileSystem.parent(of: checkpoint)), keepLast: 1)
    if try Self.read(other)?.progress.best == best {
      try FileSystem.write(FileSystem.readAll(other.bestPath), to: store.bestPath)
      return true
    }
    log.logger.warning(
      """
      \(store.bestPath) does not hold epoch \(best.epoch), the best of the run that goes on; \
      the best epoch is chosen anew from here.
      """)
    return false
  }

  /// The best checkpoint of a folder and its progress; nil if there is none.
  ///
  /// - Throws: `CheckpointError` for an unusable file: choosing another epoch silently would change
  ///   the result.
  private static func read(
    _ store: CheckpointStore
  ) throws(CheckpointError) -> (checkpoint: Checkpoint, progress: TrainingProgress)? {
    do {
      let checkpoint = try store.best()
      return (checkpoint, try CheckpointCoding.progress(of: checkpoint))
    } catch let error as CheckpointError {
      guard error.kind != .missing else { return nil }
      throw CheckpointError(
        kind: error.kind, path: error.path, place: error.place, reason: error.reason,
        cure:
          "Bring back the best epoch's checkpoint from a copy; or remove the file, and the best "
          + "epoch is chosen anew among those that come.")
    } catch {
      throw CheckpointError(
        kind: .damaged, path: store.bestPath, place: "metadata", reason: "\(error)",
        cure: "Bring it back from a copy, or remove it.")
    }
  }

  /// Reads the parameters and running buffers of the best epoch.
  ///
  /// - Parameters:
  ///   - state: receives the tensors.
  ///   - expected: the best epoch in the progress of the run.
  /// - Returns: the epoch in the file and its scores.
  package func restore(
    into state: ModelState, expecting expected: TrainingProgress.Best?
  ) throws -> TrainingProgress.Best? {
    let checkpoint = try store.best()
    try CheckpointCoding.restore(state, from: checkpoint)
    let best = try CheckpointCoding.progress(of: checkpoint).best
    if let best, best != expected {
      log.logger.warning(
        """
        the best epoch is \(best.epoch), which the run reached before it was interrupted; \
        the resumed run did not reproduce its scores.
        """)
    }
    return best
  }
}
