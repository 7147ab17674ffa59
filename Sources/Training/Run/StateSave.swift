import JobControl

/// A save of the state of a run: checks it, copies it, and leaves the writing to a thread of rank 0.
package struct StateSave {
  private let state: ModelState
  private let replicaCheck: ReplicaCheck
  private let saver: CheckpointSaver?
  private let team: RankTeam

  /// - Parameters:
  ///   - state: the state of a run that trains.
  ///   - replicaCheck: of the run.
  ///   - saver: of rank 0.
  ///   - team: the ranks.
  package init(
    of state: ModelState, _ replicaCheck: ReplicaCheck, saver: CheckpointSaver?, team: RankTeam
  ) {
    self.state = state
    self.replicaCheck = replicaCheck
    self.saver = saver
    self.team = team
  }

  /// Checks that the state is what a validation may score and a checkpoint may keep; collective.
  ///
  /// - Throws: `TrainingError`, on all ranks, where replicas differ or the state is not finite.
  package func requireSoundState(step: Int) throws {
    try replicaCheck.run(state.replicaDigests, step: step, isDue: true)
    try state.requireFinite(step: step, team)
  }

  /// Copies the state and starts to write the checkpoints that are due; collective.
  ///
  /// - Parameters:
  ///   - due: what is to be written.
  ///   - progress: how far the run has come.
  ///   - isUrgent: whether the time counts more than the size of the file.
  ///   - alone: runs what this rank alone does, and keeps its error until the ranks agree.
  /// - Throws: what all ranks throw alike.
  package func run(
    _ due: DueSaves, _ progress: TrainingProgress, isUrgent: Bool = false,
    alone: (() throws -> Void) -> Void
  ) throws {
    try requireSoundState(step: progress.step)
    try team.tracker.enter(.save)
    var snapshot: StateSnapshot?
    alone { snapshot = try saver?.prepare(for: due) }
    try state.copy(to: snapshot, progress)
    alone { if snapshot != nil { saver?.start(due, isUrgent: isUrgent) } }
  }
}
