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
  /// The steps of the whole run.
  package let totalSteps: Int
  /// The epochs of the whole run.
  package let epochs: Int
  /// The epochs without a better score after which the run ends; nil for never.
  package let patience: Int?
  /// The dialogues of an epoch.
  package let dialogueCount: Int
  /// The steps between two checkpoints.
  package let stepsPerSave: Int

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
