import Checkpointing
import Logging
import TensorCore

/// Writes the checkpoints of a run while training goes on; rank 0 alone has one.
///
/// A save is ``prepare(for:)``, a copy of the state into the snapshot that it returns, and
/// ``start(_:isUrgent:)``; a thread then compresses, writes and verifies the copy. What fails there
/// is thrown by the next ``checkFailure()``, ``prepare(for:)`` or ``finish()``.
final class CheckpointSaver {
  /// Makes durable what a checkpoint covers and what is written elsewhere.
  typealias Synchronization = @Sendable () throws -> Void

  let store: CheckpointStore
  let log: RunLog
  private let folder: RunFolder
  private let description: [String: String]
  private let ifSaveFails: CheckpointOptions.FailurePolicy
  private let work: CheckpointWork
  private var snapshot: StateSnapshot?
  private var synchronization: Synchronization = {}

  /// What the snapshot holds that could not be written.
  private var waiting = DueSaves(best: false, step: false)
  /// Why the last save has failed; nil if it has not, or is not known to have.
  private var lastFailure: (any Error)?

  /// The seconds that the thread has worked.
  var backgroundSeconds: Double { work.seconds }

  /// Whether a checkpoint is being written.
  var isBusy: Bool { work.isBusy }

  /// - Parameters:
  ///   - folder: open and locked.
  ///   - store: of the folder's checkpoints.
  ///   - tracker: hears of every byte that is written.
  ///   - description: metadata of every checkpoint.
  ///   - ifSaveFails: what becomes of the run when a checkpoint cannot be written.
  ///   - log: of rank 0.
  init(
    folder: RunFolder, store: CheckpointStore, tracker: PhaseTracker,
    description: [String: String], ifSaveFails: CheckpointOptions.FailurePolicy, log: RunLog
  ) {
    self.folder = folder
    self.store = store
    self.description = description
    self.ifSaveFails = ifSaveFails
    self.log = log
    work = CheckpointWork(store: store, tracker: tracker)
    Departure.summon(work)
  }

  deinit { Departure.dismiss(work) }

  /// Allocates the snapshot.
  ///
  /// - Parameters:
  ///   - state: what will be saved.
  ///   - synchronization: called on the saver's thread before a checkpoint is written.
  func begin(_ state: ModelState, synchronizingBy synchronization: @escaping Synchronization) {
    snapshot = StateSnapshot(of: state.model)
    self.synchronization = synchronization
  }
}

// MARK: - Saving

extension CheckpointSaver {
  /// Waits for the save before.
  ///
  /// A best state that could not be written is written now, before a copy takes its place.
  ///
  /// - Returns: where the state is to be copied; nil if this save is to be left out.
  /// - Throws: if a save has failed and that ends the run.
  func prepare(for due: DueSaves) throws -> StateSnapshot? {
    try settle(work.wait())
    try folder.confirmOwnership()
    try folder.confirmPresence()
    // The step that is saved now makes up for one that was not.
    waiting.step = false
    if due.best { waiting.best = false }
    try writeWaiting()
    return waiting.best ? nil : snapshot
  }

  /// Starts to write the snapshot: the best first, because the step's checkpoint refers to it.
  ///
  /// - Parameters:
  ///   - due: what is to be written.
  ///   - isUrgent: whether the time counts more than the size of the file.
  func start(_ due: DueSaves, isUrgent: Bool = false) {
    guard let snapshot else { preconditionFailure("a save was started before begin") }
    waiting = DueSaves(best: false, step: false)
    lastFailure = nil
    work.start(
      due, of: snapshot, description: description, isUrgent: isUrgent, after: synchronization)
  }

  /// Throws if a save is known to have failed and that ends the run; does not wait.
  func checkFailure() throws { try settle(work.takeFailure()) }

  /// Waits for the last save.
  ///
  /// - Throws: if it has failed, whatever the policy, because no other will make up for it.
  func finish() throws {
    try settle(work.wait())
    try writeWaiting()
    if let lastFailure { throw lastFailure }
  }

  private func writeWaiting() throws {
    guard waiting.best || waiting.step else { return }
    start(waiting)
    try settle(work.wait())
  }

  /// Ends the run because of a failed save, or says that it goes on.
  private func settle(_ failure: CheckpointWork.Failure?) throws {
    guard let failure else { return }
    waiting = failure.missing
    lastFailure = failure.error
    guard ifSaveFails == .continue else { throw failure.error }
    log.logger.warning(
      """
      the checkpoint of step \(failure.step) could not be written: \(failure.error) \
      Training goes on, older checkpoints stay, and the next save tries again.
      """)
  }
}
