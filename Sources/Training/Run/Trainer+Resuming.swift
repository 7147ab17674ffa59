import Checkpointing
import Optimizing

extension Trainer {
  /// What rank 0 has read from a checkpoint for all ranks.
  private struct Restored: Codable {
    var progress = TrainingProgress()
    /// Whether the checkpoint is the one that the run folder has of its step.
    var isSaved = false
  }

  /// Goes on from a checkpoint, which rank 0 alone has; collective.
  package func resume(from checkpoint: Checkpoint?) throws {
    try team.tracker.enter(.open)
    let read = try team.onRoot("reading the checkpoint") { () -> Restored in
      guard let checkpoint, let recorder else {
        preconditionFailure("rank 0 resumes from a checkpoint")
      }
      try CheckpointCoding.restore(state, from: checkpoint)
      var progress = try CheckpointCoding.progress(of: checkpoint)
      let isSaved = recorder.saver.owns(checkpoint, ofStep: progress.step)
      let hasBest = try recorder.saver.adoptBest(
        of: progress, RunIdentity(configuration: configuration, digest: data.digest),
        besides: checkpoint.path)
      if !hasBest { progress.best = nil }
      return Restored(progress: progress, isSaved: isSaved)
    }
    let restored = try team.shared(read ?? Restored())
    progress = restored.progress
    savedProgress = restored.isSaved ? progress : nil
    // With fewer dialogues than before, a validated epoch may be over all the same.
    if runSchedule.isAtEpochEnd(progress), progress.isValidated { progress.finishEpoch() }
    schedule = makeSchedule()
    try state.broadcast(over: team.collective)
    try state.restoreShards(from: checkpoint, team)
    replicaCheck.begin(at: progress.step)
  }

  /// The learning rate from the first step to the last that is planned.
  ///
  /// The steps still to be made follow from what is left of the epochs; with an unchanged
  /// configuration that is `epochs * ceil(dialogues / batch)` in all.
  package func makeSchedule() -> LearningRateSchedule {
    let perBatch = configuration.train.dialoguesPerBatch
    let restOfEpoch = max(plan.dialogueCount - progress.cursor, 0)
    let laterEpochs = configuration.train.epochs - progress.epoch - 1
    let stepsOfEpoch = (restOfEpoch + perBatch - 1) / perBatch
    let remaining = laterEpochs < 0 ? 0 : stepsOfEpoch + laterEpochs * plan.stepsPerEpoch
    let planned = progress.step + remaining
    return LearningRateSchedule(
      warmupSteps: configuration.optimizer.warmupSteps,
      totalSteps: configuration.train.maxSteps.map { min($0, planned) } ?? planned,
      decay: .init(configuration.optimizer.schedule))
  }
}
