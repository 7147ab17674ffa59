import Checkpointing
import Configuration
import JobControl
import Logging
import RunRecords
import TensorCore

/// Writes the checkpoints of a run while training goes on; rank 0 alone has one.
///
/// A save is ``prepare(for:)``, a copy of the state into the snapshot that it returns, and
/// ``start(_:isUrgent:)``; a thread then compresses, writes and verifies the copy. What fails there
/// is thrown by the next ``checkFailure()``, ``prepare(for:)`` or ``finish()``.
package final class CheckpointSaver {
  /// Makes durable what a checkpoint covers and what is written elsewhere.
  package typealias Synchronization = @Sendable () throws -> Void

  package let store: CheckpointStore
  package let log: RunLog
  private let folder: RunFolder
  private let description: [String: String]
  private let ifSaveFails: CheckpointOptions.FailurePolicy
  private let work: CheckpointWork
  private var snapshot: StateSnapshot?
  private var synchronization: Synchronization = {}

  /// What the snapshot holds that could not be written.
  private var waiting = DueSaves(best: false, step: false)
  /// The best state, put aside where it could not be written, so that steps can be saved meanwhile.
  private var pendingBest: StateSnapshot?
  /// Why the last save that failed has done so.
  private var lastFailure: (any Error)?

  /// The seconds that the thread has worked.
  package var backgroundSeconds: Double { work.seconds }

  /// Whether a checkpoint is being written.
  package var isBusy: Bool { work.isBusy }

  /// - Parameters:
  ///   - folder: open and locked.
  ///   - store: of the folder's checkpoints.
  ///   - tracker: counts every byte that is written as progress.
  ///   - description: metadata of every checkpoint.
  ///   - ifSaveFails: what becomes of the run when a checkpoint cannot be written.
  ///   - log: of rank 0.
  package init(
    folder: RunFolder, store: CheckpointStore, tracker: PhaseTracker,
    description: [String: String], ifSaveFails: CheckpointOptions.FailurePolicy, log: RunLog
  ) {
    self.folder = folder
    self.store = store
    self.description = description
    self.ifSaveFails = ifSaveFails
    self.log = log
    work = CheckpointWork(store: store, tracker: tracker)
    ErrorExit.register(work)
  }

  deinit { ErrorExit.unregister(work) }

  /// Allocates the snapshot.
  ///
  /// - Parameters:
  ///   - state: what will be saved.
  ///   - synchronization: called on the saver's thread before a checkpoint is written.
  package func begin(
    _ state: ModelState, synchronizingBy synchronization: @escaping Synchronization
  ) {
    snapshot = StateSnapshot(of: state.model)
    self.synchronization = synchronization
  }
}

// MARK: - Saving

extension CheckpointSaver {
  /// Waits for the save before, and makes up for a best state that could not be written.
  ///
  /// - Returns: where the state is to be copied.
  /// - Throws: if a save has failed and that ends the run.
  package func prepare(for due: DueSaves) throws -> StateSnapshot? {
    try settle(work.wait())
    try folder.confirmOwnership()
    try folder.confirmPresence()
    if due.best {
      (waiting.best, pendingBest) = (false, nil)
    } else if waiting.best, let snapshot {
      waiting.best = false
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
    let owed = DueSaves(best: due.best, step: due.step || waiting.step)
    waiting = DueSaves(best: false, step: false)
    start(owed, of: snapshot, isUrgent: isUrgent)
  }

  private func start(_ due: DueSaves, of snapshot: StateSnapshot, isUrgent: Bool = false) {
    work.start(
      due, of: snapshot, description: description, isUrgent: isUrgent, after: synchronization)
  }

  /// Throws if a save is known to have failed and that ends the run; does not wait.
  package func checkFailure() throws { try settle(work.takeFailure()) }

  /// Waits for the last save.
  ///
  /// - Throws: if anything is not written in the end, whatever the policy, because no other save will
  ///   make up for it.
  package func finish() throws {
    try settle(work.wait())
    try writePendingBest()
    if waiting.best || waiting.step {
      start(waiting)
      try settle(work.wait())
    }
    guard waiting.best || waiting.step || pendingBest != nil, let lastFailure else { return }
    throw lastFailure
  }

  private func writePendingBest() throws {
    guard let best = pendingBest else { return }
    start(DueSaves(best: true, step: false), of: best)
    let failure = work.wait()
    if failure == nil { pendingBest = nil }
    try report(failure)
  }

  /// Notes what a save has left unwritten, and ends the run because of it, or says that it goes on.
  private func settle(_ failure: CheckpointWork.Failure?) throws {
    if let failure { waiting = failure.missing }
    try report(failure)
  }

  private func report(_ failure: CheckpointWork.Failure?) throws {
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
