import Checkpointing
import Files
import Logging
import TensorCore

// How the best checkpoint comes and goes when a run is resumed and when it ends.

extension CheckpointSaver {
  /// Whether a checkpoint is the one that this folder has of its step.
  package func owns(_ checkpoint: Checkpoint, ofStep step: Int) -> Bool {
    FileSystem.isSame(checkpoint.path, store.path(ofStep: step))
  }

  /// Sees to it that the best checkpoint of this folder belongs to the run that is resumed.
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
  package func adoptBest(
    of progress: TrainingProgress, _ identity: RunIdentity, besides checkpoint: String
  ) throws -> Bool {
    guard let best = progress.best else { return true }
    if let own = try Self.best(in: store) {
      let isLater = own.progress.step > progress.step
      if own.progress.best == best { return true }
      if isLater, (try? identity.matches(own.checkpoint)) == true { return true }
    }
    let other = CheckpointStore(
      folder: FileSystem.parent(of: FileSystem.parent(of: checkpoint)), keepLast: 1)
    if try Self.best(in: other)?.progress.best == best {
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
  private static func best(
    in store: CheckpointStore
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
  package func restoreBest(
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
