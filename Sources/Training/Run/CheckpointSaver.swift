import Checkpointing
import Logging
import TensorCore

/// Writes the checkpoints of a run and reads them back; rank 0 alone has one.
final class CheckpointSaver {
  private let folder: RunFolder
  private let store: CheckpointStore
  private let tracker: PhaseTracker
  private let description: [String: String]
  private let log: RunLog

  /// - Parameters:
  ///   - folder: open and locked.
  ///   - store: of the folder's checkpoints.
  ///   - tracker: hears of every byte that is written.
  ///   - description: metadata of every checkpoint.
  ///   - log: of rank 0.
  init(
    folder: RunFolder, store: CheckpointStore, tracker: PhaseTracker,
    description: [String: String], log: RunLog
  ) {
    self.folder = folder
    self.store = store
    self.tracker = tracker
    self.description = description
    self.log = log
  }

  /// Saves the state of the best epoch and of the step that was just made, as far as they are due.
  ///
  /// The best comes first, because the step's checkpoint refers to it.
  func save(_ due: DueSaves, _ state: ModelState, _ progress: TrainingProgress) throws {
    try folder.confirmOwnership()
    let draft = try CheckpointCoding.draft(state, progress, description: description)
    let pace = tracker.pace(ofStep: progress.step)
    try tracker.heartbeat.whileSaving {
      if due.best { try store.saveBest(draft, pace: pace) }
      if due.step { try store.save(draft, step: progress.step, pace: pace) }
    }
  }
}

// MARK: - Reading back

extension CheckpointSaver {
  /// Whether a checkpoint is the one that this folder has of its step.
  func owns(_ checkpoint: Checkpoint, ofStep step: Int) -> Bool {
    FileSystem.isSame(checkpoint.path, store.path(ofStep: step))
  }

  /// Sees to it that the best checkpoint of this folder belongs to the run that is resumed.
  ///
  /// A run that was killed may have found a better epoch after the checkpoint that it goes on from.
  /// It comes to the same epoch again, so the file stays, and so do the scores to be beaten.
  ///
  /// A run that goes on in another folder brings its best epoch along where it can.
  ///
  /// - Parameters:
  ///   - progress: of the checkpoint that the run goes on from.
  ///   - checkpoint: the file that the run goes on from; the best of its folder may be copied.
  /// - Returns: whether there is a best epoch's file; if not, the best is chosen anew.
  func adoptBest(of progress: TrainingProgress, besides checkpoint: String) throws -> Bool {
    guard let best = progress.best else { return true }
    if let own = Self.progress(store.bestPath), own.best == best || own.step > progress.step {
      return true
    }
    let other = CheckpointStore(
      folder: FileSystem.parent(of: FileSystem.parent(of: checkpoint)), keepLast: 1)
    if Self.progress(other.bestPath)?.best == best {
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

  private static func progress(_ path: String) -> TrainingProgress? {
    (try? Checkpoint(path: path)).flatMap { try? CheckpointCoding.progress(of: $0) }
  }

  /// Reads the parameters of the best epoch back.
  ///
  /// - Returns: the epoch and its scores.
  func restoreBest(
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
