import Checkpointing
import Configuration
import Files
import JobControl
import Logging
import RunRecords
import StallDetection
import TensorCore

/// Writes the checkpoints of a run while training goes on; rank 0 alone has one.
///
/// A save is ``prepare(for:)``, a copy of the state into the snapshot that it returns, and
/// ``start(_:isUrgent:)``; a thread then compresses, writes and verifies the copy. A failure of the
/// thread is thrown by the next ``checkFailure()``, ``prepare(for:)`` or ``finish()``.
package final class CheckpointSaver {
  /// Makes durable what a checkpoint covers and what is written elsewhere.
  package typealias Synchronization = @Sendable () throws -> Void

  private let store: CheckpointStore
  private let log: RunLog
  private let folder: RunFolder
  private let description: [String: String]
  private let ifSaveFails: CheckpointOptions.FailurePolicy
  private let thread: SaveThread
  private var snapshot: StateSnapshot?
  private var synchronization: Synchronization = {}

  /// The saves whose state is in the snapshot and that have failed.
  private var owed = DueSaves(best: false, step: false)
  /// The best state, put aside where it could not be written, so that steps can be saved meanwhile.
  private var pendingBest: StateSnapshot?
  /// The error of the last save that failed.
  private var lastFailure: (any Error)?

  /// The seconds that the thread has worked.
  package var backgroundSeconds: Double { thread.seconds }

  /// Whether a checkpoint is being written.
  package var isBusy: Bool { thread.isBusy }

  /// - Parameters:
  ///   - folder: open and locked.
  ///   - store: of the folder's checkpoints.
  ///   - tracker: counts every byte that is written as progress.
  ///   - description: metadata of every checkpoint.
  ///   - ifSaveFails: what becomes of the run when a checkpoint cannot be written.
  ///   - log: takes a warning for each failure that does not end the run.
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
  ///   - state: the state that will be saved.
  ///   - synchronization: called on the thread before a checkpoint is written.
  package func begin(
    _ state: ModelState, synchronizingBy synchronization: @escaping Synchronization
  ) {
    snapshot = StateSnapshot(of: state.model)
    self.synchronization = synchronization
  }

  /// Whether a checkpoint is the one that this folder has of its step.
  package func owns(_ checkpoint: Checkpoint, ofStep step: Int) -> Bool {
    FileSystem.isSame(checkpoint.path, store.path(ofStep: step))
  }
}

// MARK: - Saving

extension CheckpointSaver {
  /// Waits for the save before, and writes a best state that could not be written then.
  ///
  /// - Returns: the snapshot to copy the state into.
  /// - Throws: if a save has failed and that ends the run.
  package func prepare(for due: DueSaves) throws -> StateSnapshot? {
    try settle(thread.wait())
    try folder.confirmOwnership()
    try folder.confirmPresence()
    if due.best {
      (owed.best, pendingBest) = (false, nil)
    } else if owed.best, let snapshot {
      owed.best = false
      pendingBest = snapshot
      self.snapshot = StateSnapshot(of: snapshot.model)
    }
    try writePendingBest()
    return snapshot
  }

  /// Starts to write the snapshot: the best first, because the step's checkpoint refers to it.
  ///
  /// - Parameters:
  ///   - due: what is to be written; a step's checkpoint that could not be written before is due too.
  ///   - isUrgent: whether the time counts more than the size of the file.
  package func start(_ due: DueSaves, isUrgent: Bool = false) {
    guard let snapshot else { preconditionFailure("a save was started before begin") }
    let all = DueSaves(best: due.best, step: due.step || owed.step)
    owed = DueSaves(best: false, step: false)
    start(all, of: snapshot, isUrgent: isUrgent)
  }

  private func start(_ due: DueSaves, of snapshot: StateSnapshot, isUrgent: Bool = false) {
    thread.start(
      due, of: snapshot, description: description, isUrgent: isUrgent, after: synchronization)
  }

  /// Throws if a save is known to have failed and that ends the run; does not wait.
  package func checkFailure() throws { try settle(thread.takeFailure()) }

  /// Waits for the last save.
  ///
  /// - Throws: if anything is not written in the end, whatever the policy, because no other save will
  ///   write it.
  package func finish() throws {
    try settle(thread.wait())
    try writePendingBest()
    if owed.best || owed.step {
      start(owed)
      try settle(thread.wait())
    }
    guard owed.best || owed.step || pendingBest != nil, let lastFailure else { return }
    throw lastFailure
  }

  private func writePendingBest() throws {
    guard let best = pendingBest else { return }
    start(DueSaves(best: true, step: false), of: best)
    let failure = thread.wait()
    if failure == nil { pendingBest = nil }
    try report(failure)
  }

  /// Notes what a save has left unwritten, and ends the run because of it, or logs that it goes on.
  private func settle(_ failure: SaveThread.Failure?) throws {
    if let failure { owed = failure.missing }
    try report(failure)
  }

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
  /// A save that could not be done.
  struct Failure: Error {
    /// The step that was to be saved.
    let step: Int
    /// What was due and is not written.
    let missing: DueSaves
    /// The reason.
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

  /// Starts to write what is due, the best first; the save before must have been waited for, and
  /// the snapshot must not change until the save is done.
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

  /// The failure of a save that has ended by now, once; does not wait.
  func takeFailure() -> Failure? { work.takeFailure() as? Failure }

  /// Waits until no save goes on.
  ///
  /// - Returns: the failure, if it has not been taken yet.
  func wait() -> Failure? { work.wait() as? Failure }
}

extension SaveThread: ExitHandler {
  /// The seconds that a save is given to come to its end when an error ends the program.
  private static let patience = 1.0

  func programEnds(with message: String) {
    _ = work.wait(atMost: Self.patience)
    // What is not complete by now never will be.
    _ = try? store.sweep()
  }
}
