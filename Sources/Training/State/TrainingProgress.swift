import RunRecords

/// How far a run has come: everything besides tensors that a checkpoint has to keep.
package struct TrainingProgress: Sendable, Equatable, Codable {
  /// The number of steps made.
  package var step = 0
  /// The epoch that goes on, from 0.
  package var epoch = 0
  /// The dialogues of the epoch that have been trained on; all of them until the epoch is validated.
  package var cursor = 0
  /// The step after which the validation split was scored last; nil before the first time.
  package var validatedStep: Int?
  /// The best epoch so far.
  package var best: Best?
  /// The number of epochs in a row that brought nothing better.
  package var epochsWithoutImprovement = 0
  /// The number of steps that changed nothing because their loss or gradient was not finite.
  package var skippedSteps = 0
  /// How many of them were the last steps, one after another.
  package var skippedInARow = 0

  /// Before the first step.
  package init() {}

  /// The number of epochs that were trained, the last one perhaps in part.
  package var epochsBegun: Int { cursor > 0 ? epoch + 1 : epoch }

  /// Whether the validation split was scored after the last step.
  package var isValidated: Bool { validatedStep == step }

  /// The epoch that would be chosen if the run ended now.
  package struct Best: Sendable, Equatable, Codable {
    /// The epoch, counted from 1.
    package let epoch: Int
    /// Its scores on the validation split.
    package let validation: ClassificationReport
  }

  /// Goes on to the next epoch.
  package mutating func finishEpoch() {
    epoch += 1
    cursor = 0
  }

  /// Takes in the scores after the last step; of equal ones, the earliest is the best.
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
