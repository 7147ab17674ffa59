import Configuration
import DialogueData
import Optimizing

/// A task of a run.
package enum RunTask: Sendable, Equatable {
  /// One training step.
  case step
  /// Scores the validation split, and ends the epoch if all its dialogues are consumed.
  case validation
  /// Writes the best checkpoint, that of the last step, or both.
  case save(DueSaves)
  /// Scores the test split with the best epoch; the last task.
  case test
}

/// The checkpoints to write.
package struct DueSaves: Sendable, Equatable {
  /// Whether to write the present state as the best checkpoint.
  package var best: Bool
  /// Whether to write the present state as the checkpoint of its step.
  package var step: Bool

  /// Creates a set of due checkpoints.
  package init(best: Bool, step: Bool) {
    self.best = best
    self.step = step
  }
}

/// The order of the tasks of a run.
///
/// The next task is a function of the progress, so a run that was stopped or killed and resumed
/// performs the same tasks as an uninterrupted one.
package struct RunSchedule: Sendable {
  /// The learning rate of every step.
  package let learningRate: LearningRateSchedule
  /// The number of steps of the whole run.
  package var totalSteps: Int { learningRate.totalSteps }
  /// The number of epochs of the whole run.
  package let epochs: Int
  /// The number of epochs without a better score after which the run ends; nil for never.
  package let patience: Int?
  /// The number of dialogues of an epoch.
  package let dialogueCount: Int
  /// The number of steps between two checkpoints.
  package let stepsPerSave: Int

  /// The schedule of a run after some progress.
  ///
  /// The number of remaining steps follows from the remaining dialogues; with an unchanged
  /// configuration, the total is `epochs * ceil(dialogues / batch)`, or `train.maxSteps` if less.
  package init(
    _ configuration: RunConfiguration, _ plan: BatchPlan, after progress: TrainingProgress
  ) {
    let perBatch = plan.dialoguesPerBatch
    let restOfEpoch = max(plan.dialogueCount - progress.cursor, 0)
    let laterEpochs = configuration.train.epochs - progress.epoch - 1
    let stepsOfEpoch = (restOfEpoch + perBatch - 1) / perBatch
    let remaining = laterEpochs < 0 ? 0 : stepsOfEpoch + laterEpochs * plan.stepsPerEpoch
    let planned = progress.step + remaining
    self.init(
      learningRate: LearningRateSchedule(
        warmupSteps: configuration.optimizer.warmupSteps,
        totalSteps: configuration.train.maxSteps.map { min($0, planned) } ?? planned,
        decay: .init(configuration.optimizer.schedule)),
      epochs: configuration.train.epochs, patience: configuration.train.patience,
      dialogueCount: plan.dialogueCount, stepsPerSave: configuration.checkpoint.everySteps)
  }

  /// A schedule of given lengths.
  package init(
    learningRate: LearningRateSchedule, epochs: Int, patience: Int?, dialogueCount: Int,
    stepsPerSave: Int
  ) {
    self.learningRate = learningRate
    self.epochs = epochs
    self.patience = patience
    self.dialogueCount = dialogueCount
    self.stepsPerSave = stepsPerSave
  }

  /// The next task.
  ///
  /// - Parameters:
  ///   - saved: the progress in the checkpoint of the last step; nil if there is none.
  ///   - isBestUnsaved: whether the present state is the best so far and has not been saved.
  package func next(
    after progress: TrainingProgress, saved: TrainingProgress?, isBestUnsaved: Bool
  ) -> RunTask {
    if isValidationDue(progress) { return .validation }
    let isSaveStep = hasEnded(progress) || progress.step.isMultiple(of: stepsPerSave)
    let saves = DueSaves(
      best: isBestUnsaved, step: isSaveStep && progress.step > 0 && progress != saved)
    if saves.best || saves.step { return .save(saves) }
    return hasEnded(progress) ? .test : .step
  }

  /// Whether no training step is left.
  package func hasEnded(_ progress: TrainingProgress) -> Bool {
    progress.step >= totalSteps || progress.epoch >= epochs
      || patience.map { progress.epochsWithoutImprovement >= $0 } ?? false
  }

  /// Whether all dialogues of the epoch are consumed.
  package func isAtEpochEnd(_ progress: TrainingProgress) -> Bool {
    progress.cursor >= dialogueCount
  }

  private func isValidationDue(_ progress: TrainingProgress) -> Bool {
    if hasEnded(progress), progress.best == nil { return true }
    return (isAtEpochEnd(progress) || hasEnded(progress)) && !progress.isValidated
  }
}
