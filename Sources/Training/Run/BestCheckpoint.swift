import Checkpointing
import Files
import Logging
import RunRecords

/// The checkpoint of the best epoch of a run folder.
package struct BestCheckpoint {
  private let store: CheckpointStore
  private let log: RunLog

  /// - Parameters:
  ///   - store: the checkpoints of the folder.
  ///   - log: takes warnings.
  package init(in store: CheckpointStore, log: RunLog) {
    self.store = store
    self.log = log
  }

  /// Makes the best checkpoint of this folder that of the run that is resumed.
  ///
  /// A run that was killed may have found a better epoch after the checkpoint that it goes on from.
  /// It comes to the same epoch again, so the file stays, and so do the scores to be beaten.
  ///
  /// What a run of another configuration or other data came to later does not count.
  ///
  /// A run that goes on in another folder brings its best epoch along where it can.
  ///
  /// - Parameters:
  ///   - progress: of the checkpoint that the run goes on from.
  ///   - identity: of the run that goes on.
  ///   - checkpoint: the file that the run goes on from; the best of its folder may be copied.
  /// - Returns: whether there is a best epoch's file; if not, the best is chosen anew.
  package func adopt(
    of progress: TrainingProgress, _ identity: RunIdentity, besides checkpoint: String
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

  /// The best checkpoint of a folder and how far its run had come; nil where there is none.
  ///
  /// - Throws: `CheckpointError` for one that cannot be used: to choose another epoch without being
  ///   told to would be another result.
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

  /// Reads the parameters of the best epoch back.
  ///
  /// - Parameters:
  ///   - state: takes the parameters.
  ///   - expected: the best epoch as this process knows it.
  /// - Returns: the epoch of the file and its scores.
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
        it did not come to the same scores again.
        """)
    }
    return best
  }
}
