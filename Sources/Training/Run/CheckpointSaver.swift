import Checkpointing
import Configuration
import Files
import JobControl
import Logging
import RunRecords
import StallDetection
import TensorCore

/// Writes the checkpoints of a run in the background; exists on rank 0 only.
///
/// A save is ``prepare(for:)``, a copy of the state into the snapshot that it returns, and
/// ``start(_:isUrgent:)``; a thread then compresses, writes and verifies the copy. A failure of the
/// thread is thrown by the next ``checkFailure()``, ``prepare(for:)`` or ``finish()``.
package final class CheckpointSaver {
  /// Flushes the logs of the steps that a checkpoint covers to the storage.
  package typealias Synchronization = @Sendable () throws -> Void

  private let store: CheckpointStore
  private let log: RunLog
  private let folder: RunFolder
  private let description: [String: String]
  private let ifSaveFails: CheckpointOptions.FailurePolicy
  private let thread: SaveThread
  private var snapshot: StateSnapshot?
  private var synchronization: Synchronization = {}

  /// The failed saves whose state is still in ``snapshot``.
  private var failed = DueSaves(best: false, step: false)
  /// The best state after a failed save, kept apart so that later steps can be saved.
  private var pendingBest: StateSnapshot?
  /// The error of the last failed save.
  private var lastFailure: (any Error)?

  /// The time that the thread has spent on saves, in seconds.
  package var backgroundSeconds: Double { thread.seconds }

  /// Whether a checkpoint is being written.
  package var isBusy: Bool { thread.isBusy }

  /// - Parameters:
  ///   - folder: the run folder, open and locked.
  ///   - store: the checkpoints of the folder.
  ///   - tracker: counts written bytes as progress, for stall detection.
  ///   - description: metadata that every checkpoint of the run has.
  ///   - ifSaveFails: whether a failed save ends the run.
  ///   - log: receives a warning for each failed save that does not end the run.
  package init(
    folder: RunFolder, store: CheckpointStore, tracker: PhaseTracker,
    description: [String: String], ifSaveFails: CheckpointOptions.FailurePolicy, log: RunLog
  ) {
    self.folder = folder
    self.store = store
    self.description = description
    self.ifSaveFails = ifSaveFails
    self.log = log
    thread = SaveThread(store: store, tracker: tracker)
    ErrorExit.register(thread)
  }

  deinit { ErrorExit.unregister(thread) }

  /// Allocates the snapshot.
  ///
  /// - Parameters:
  ///   - state: the state to save; its shapes are those of the snapshot.
  ///   - synchronization: called on the thread before a checkpoint is written.
  package func begin(
    _ state: ModelState, synchronizingBy synchronization: @escaping Synchronization
  ) {
    snapshot = StateSnapshot(of: state.model)
    self.synchronization = synchronization
  }

  /// Whether a checkpoint is the file of its step in this folder.
  package func owns(_ checkpoint: Checkpoint, ofStep step: Int) -> Bool {
    FileSystem.isSame(checkpoint.path, store.path(ofStep: step))
  }
}

// MARK: - Saving

extension CheckpointSaver {
  /// Waits for the previous save, and retries a best state that has not been written.
  ///
  /// - Returns: the snapshot to copy the state into.
  /// - Throws: the error of a failed save if it ends the run, or of a run folder that is gone or
  ///   locked by another process.
  package func prepare(for due: DueSaves) throws -> StateSnapshot? {
    try handle(thread.wait())
    try folder.confirmOwnership()
    try folder.confirmPresence()
    if due.best {
      (failed.best, pendingBest) = (false, nil)
    } else if failed.best, let snapshot {
      failed.best = false
      pendingBest = snapshot
      self.snapshot = StateSnapshot(of: snapshot.model)
    }
    try writePendingBest()
    return snapshot
  }

  /// Starts writing the snapshot: the best checkpoint first, because that of the step refers to it.
  ///
  /// - Parameters:
  ///   - due: the checkpoints to write; that of a step is added if the previous one failed.
  ///   - isUrgent: whether to compress fast, into a larger file.
  package func start(_ due: DueSaves, isUrgent: Bool = false) {
    guard let snapshot else { preconditionFailure("a save was started before begin") }
    let all = DueSaves(best: due.best, step: due.step || failed.step)
    failed = DueSaves(best: false, step: false)
    start(all, of: snapshot, isUrgent: isUrgent)
  }

  private func start(_ due: DueSaves, of snapshot: StateSnapshot, isUrgent: Bool = false) {
    thread.start(
      due, of: snapshot, description: description, isUrgent: isUrgent, after: synchronization)
  }

  /// Throws the error of a failed save if it ends the run; does not wait.
  package func checkFailure() throws { try handle(thread.takeFailure()) }

  /// Waits for the last save and retries it once if it failed.
  ///
  /// - Throws: the error of the last failed save if a checkpoint remains unwritten, under any policy.
  package func finish() throws {
    try handle(thread.wait())
    try writePendingBest()
    if failed.best || failed.step {
      start(failed)
      try handle(thread.wait())
    }
    guard failed.best || failed.step || pendingBest != nil, let lastFailure else { return }
    throw lastFailure
  }

  private func writePendingBest() throws {
    guard let best = pendingBest else { return }
    start(DueSaves(best: true, step: false), of: best)
    let failure = thread.wait()
    if failure == nil { pendingBest = nil }
    try report(failure)
  }

  /// Records the checkpoints that a failed save did not write, and reports it.
  private func handle(_ failure: SaveThread.Failure?) throws {
    if let failure { failed = failure.missing }
    try report(failure)
  }

  /// Throws the error of a failed save, or logs a warning under `continue`.
  private func report(_ failure: SaveThread.Failure?) throws {
    guard let failure else { return }
    lastFailure = failure.error
    guard ifSaveFails == .continue else { throw failure.error }
    log.logger.warning(
      """
      the checkpoint of step \(failure.step) could not be written: \(failure.error) \
      Training goes on, older checkpoints stay, and the next save tries again.
      """)
  }
}

// MARK: - The thread

/// The thread that writes checkpoints, one save at a time.
private final class SaveThread: Sendable {
  /// A failed save.
  struct Failure: Error {
    /// The step of the snapshot.
    let step: Int
    /// The due checkpoints that were not written.
    let missing: DueSaves
    let error: any Error
  }

  private let store: CheckpointStore
  private let tracker: PhaseTracker
  private let work = BackgroundWork(name: "checkpoints")

  init(store: CheckpointStore, tracker: PhaseTracker) {
    self.store = store
    self.tracker = tracker
  }

  var seconds: Double { work.seconds }
  var isBusy: Bool { work.isBusy }

  /// Starts writing the due checkpoints, the best first.
  ///
  /// The previous save must have ended, and the snapshot must not change until this one has.
  func start(
    _ due: DueSaves, of snapshot: StateSnapshot, description: [String: String], isUrgent: Bool,
    after synchronize: @escaping CheckpointSaver.Synchronization
  ) {
    let (step, level) = (snapshot.progress.step, isUrgent ? CheckpointStore.urgentLevel : nil)
    work.start { [store, tracker] in
      var missing = due
      let writeHook = tracker.writeHook(ofStep: step)
      do {
        try tracker.heartbeat.whileSaving {
          let contents = try CheckpointCoding.contents(snapshot, description: description)
          try synchronize()
          if due.best { try store.saveBest(contents, level: level, writeHook: writeHook) }
          missing.best = false
          if due.step { try store.save(contents, step: step, level: level, writeHook: writeHook) }
        }
      } catch {
        throw Failure(step: step, missing: missing, error: error)
      }
    }
  }

  /// The failure of a save that has ended, returned once; does not wait.
  func takeFailure() -> Failure? { work.takeFailure() as? Failure }

  /// Waits until no save is running.
  ///
  /// - Returns: its failure, unless ``takeFailure()`` has returned it.
  func wait() -> Failure? { work.wait() as? Failure }
}

extension SaveThread: ExitHandler {
  /// The longest wait for a running save when an error ends the program, in seconds.
  private static let longestWait = 1.0

  func programEnds(with message: String) {
    _ = work.wait(atMost: Self.longestWait)
    // Removes files that remain incomplete.
    _ = try? store.sweep()
  }
}
