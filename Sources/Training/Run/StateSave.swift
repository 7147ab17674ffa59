import JobControl

/// Saves the state of a run: checks and copies it, and has a thread of rank 0 write the copy.
package struct StateSave {
  private let state: ModelState
  private let replicaCheck: ReplicaCheck
  private let saver: CheckpointSaver?
  private let team: RankTeam

  /// - Parameters:
  ///   - state: the state of a run that trains.
  ///   - saver: on rank 0; nil elsewhere.
  package init(
    of state: ModelState, _ replicaCheck: ReplicaCheck, saver: CheckpointSaver?, team: RankTeam
  ) {
    self.state = state
    self.replicaCheck = replicaCheck
    self.saver = saver
    self.team = team
  }

  /// Checks that replicas agree and the state is finite, before it is scored or saved; collective.
  ///
  /// - Throws: `TrainingError`, on all ranks, if replicas differ or the state is not finite.
  package func requireSoundState(step: Int) throws {
    try replicaCheck.run(state.replicaDigests, step: step, isDue: true)
    try state.requireFinite(step: step, team)
  }

  /// Copies the state and starts writing the due checkpoints; collective.
  ///
  /// - Parameters:
  ///   - due: the checkpoints to write.
  ///   - progress: the progress of the run after the last step.
  ///   - isUrgent: whether to compress fast, into a larger file.
  ///   - locally: runs work of this rank and keeps its error until the ranks agree.
  /// - Throws: errors that all ranks throw.
  package func run(
    _ due: DueSaves, _ progress: TrainingProgress, isUrgent: Bool = false,
    locally: (() throws -> Void) -> Void
  ) throws {
    try requireSoundState(step: progress.step)
    try team.tracker.enter(.save)
    var snapshot: StateSnapshot?
    locally { snapshot = try saver?.prepare(for: due) }
    try state.copy(to: snapshot, progress)
    locally { if snapshot != nil { saver?.start(due, isUrgent: isUrgent) } }
  }
}
