import Configuration
import DialogueData
import Optimizing

/// What a run does next.
package enum RunTask: Sendable, Equatable {
  /// One training step.
  case step
  /// Scoring the validation split, which ends the epoch if all its dialogues are consumed.
  case validation
  /// Writing the best checkpoint, that of the last step, or both.
  case save(DueSaves)
  /// Scoring the test split with the best epoch, after everything else.
  case test
}

/// Which checkpoints are to be written.
package struct DueSaves: Sendable, Equatable {
  /// The state of the best epoch, which is the present one.
  package var best: Bool
  /// The state after the last step.
  package var step: Bool

  /// - Parameters:
  ///   - best: whether the state of the best epoch is due.
  ///   - step: whether the state after the last step is due.
  package init(best: Bool, step: Bool) {
    self.best = best
    self.step = step
  }
}

/// The order in which a run does things.
///
/// What comes next is a function of what has been done, so a run that was stopped or killed
/// anywhere does the same things after it was resumed as one that never was.
package struct RunSchedule: Sendable {
  /// The learning rate from the first step to the last.
  package let learningRate: LearningRateSchedule
  /// The steps of the whole run.
  package var totalSteps: Int { learningRate.totalSteps }
  /// The epochs of the whole run.
  package let epochs: Int
  /// The epochs without a better score after which the run ends; nil for never.
  package let patience: Int?
  /// The dialogues of an epoch.
  package let dialogueCount: Int
  /// The steps between two checkpoints.
  package let stepsPerSave: Int

  /// What is left of a run.
  ///
  /// The steps still to be made follow from what is left of the epochs; with an unchanged
  /// configuration that is `epochs * ceil(dialogues / batch)` in all.
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

  /// - Parameters:
  ///   - learningRate: with the number of all steps.
  ///   - epochs: of the whole run.
  ///   - patience: the epochs without a better score after which the run ends; nil for never.
  ///   - dialogueCount: of an epoch.
  ///   - stepsPerSave: the steps between two checkpoints.
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

  /// What comes next.
  ///
  /// - Parameters:
  ///   - progress: what has been done.
  ///   - saved: the progress that the checkpoint of the last step holds; nil if there is none.
  ///   - isBestUnsaved: whether the last validation brought a new best that is in no file yet.
  package func next(
    after progress: TrainingProgress, saved: TrainingProgress?, isBestUnsaved: Bool
  ) -> RunTask {
    if isValidationDue(progress) { return .validation }
    let isPlace = hasEnded(progress) || progress.step.isMultiple(of: stepsPerSave)
    let saves = DueSaves(
      best: isBestUnsaved, step: isPlace && progress.step > 0 && progress != saved)
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
