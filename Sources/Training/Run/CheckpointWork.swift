import Checkpointing
import Dispatch
import JobControl
import TensorCore

/// The thread that writes checkpoints, one save at a time.
package final class CheckpointWork: Sendable {
  /// A save that could not be done.
  package struct Failure: Error {
    /// The step that was to be saved.
    package let step: Int
    /// What was due and is not written.
    package let missing: DueSaves
    /// Why.
    package let error: any Error
  }

  private let store: CheckpointStore
  private let tracker: PhaseTracker
  private let work = BackgroundWork(name: "checkpoints")

  /// - Parameters:
  ///   - store: where the checkpoints go.
  ///   - tracker: counts every byte that is written as progress.
  package init(store: CheckpointStore, tracker: PhaseTracker) {
    self.store = store
    self.tracker = tracker
  }

  /// The seconds that the thread has worked.
  package var seconds: Double { work.seconds }

  /// Whether a checkpoint is being written.
  package var isBusy: Bool { work.isBusy }

  /// Starts to write what is due; the save before must have been waited for.
  ///
  /// - Parameters:
  ///   - due: what is to be written; the best comes first.
  ///   - snapshot: must not change until the save is done.
  ///   - description: metadata that do not change during the run.
  ///   - isUrgent: whether the time counts more than the size of the file.
  ///   - synchronize: called before anything is written.
  package func start(
    _ due: DueSaves, of snapshot: StateSnapshot, description: [String: String], isUrgent: Bool,
    after synchronize: @escaping CheckpointSaver.Synchronization
  ) {
    let (step, level) = (snapshot.progress.step, isUrgent ? CheckpointStore.urgentLevel : nil)
    work.start { [store, tracker] in
      var missing = due
      let writeHook = tracker.writeHook(ofStep: step)
      do {
        try tracker.heartbeat.whileSaving {
          let draft = try CheckpointCoding.draft(snapshot, description: description)
          try synchronize()
          if due.best { try store.saveBest(draft, level: level, writeHook: writeHook) }
          missing.best = false
          if due.step { try store.save(draft, step: step, level: level, writeHook: writeHook) }
        }
      } catch {
        throw Failure(step: step, missing: missing, error: error)
      }
    }
  }

  /// The failure of a save that has ended by now, once; does not wait.
  package func takeFailure() -> Failure? { work.takeFailure() as? Failure }

  /// Waits until nothing is written any more.
  ///
  /// - Returns: the failure, if nobody has taken it yet.
  package func wait() -> Failure? { work.wait() as? Failure }
}

extension CheckpointWork: ExitHandler {
  /// The seconds that a save is given to come to its end when an error ends the program.
  private static let patience = 1.0

  package func programEnds(with message: String) {
    _ = work.wait(atMost: Self.patience)
    // What is not complete by now never will be.
    _ = try? store.sweep()
  }
}
