import RunRecords

/// How far a run has come: everything that a checkpoint keeps besides tensors.
package struct TrainingProgress: Sendable, Equatable, Codable {
  /// The number of steps done.
  package var step = 0
  /// The current epoch, from 0.
  package var epoch = 0
  /// The number of dialogues of the epoch that are consumed; reset to 0 after its validation.
  package var cursor = 0
  /// The step after which the validation split was last scored; nil before the first validation.
  package var validatedStep: Int?
  /// The best epoch so far.
  package var best: Best?
  /// The number of consecutive validations without a better score.
  package var epochsWithoutImprovement = 0
  /// The number of steps skipped because their loss or gradient was not finite.
  package var skippedSteps = 0
  /// The number of steps skipped since the last update.
  package var skippedInARow = 0

  /// The progress before the first step.
  package init() {}

  /// The number of epochs begun, of which the last may be incomplete.
  package var epochsBegun: Int { cursor > 0 ? epoch + 1 : epoch }

  /// Whether the validation split was scored after the last step.
  package var isValidated: Bool { validatedStep == step }

  /// The epoch with the highest weighted F1 on the validation split.
  package struct Best: Sendable, Equatable, Codable {
    /// The epoch, counted from 1.
    package let epoch: Int
    /// Its scores on the validation split.
    package let validation: ClassificationReport
  }

  /// Advances to the next epoch.
  package mutating func finishEpoch() {
    epoch += 1
    cursor = 0
  }

  /// Records the scores after the last step; among equal scores, the earliest is the best.
  ///
  /// - Parameters:
  ///   - report: the scores on the validation split.
  ///   - number: the epoch, counted from 1.
  /// - Returns: whether it is the best so far.
  package mutating func score(_ report: ClassificationReport, epoch number: Int) -> Bool {
    validatedStep = step
    if let best, best.validation.weightedF1 >= report.weightedF1 {
      epochsWithoutImprovement += 1
      return false
    }
    best = Best(epoch: number, validation: report)
    epochsWithoutImprovement = 0
    return true
  }
}
