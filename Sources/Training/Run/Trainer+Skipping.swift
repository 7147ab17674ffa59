import DFERCModel
import DialogueData
import Logging
import TensorCore

// What becomes of a step whose loss or gradient is NaN or infinite.

extension Trainer {
  private static var cure: String {
    "Lower optimizer.learningRate, and look at the features of these dialogues."
  }

  /// Counts a step that changed nothing, or ends the run; collective.
  ///
  /// - Parameters:
  ///   - outcome: of the step.
  ///   - batch: the step's; its number is that of the progress.
  /// - Throws: `TrainingError`, on all ranks, if such steps are not to be skipped or have become too
  ///   many in a row.
  func countSkip(_ outcome: StepEngine.Outcome, _ batch: GlobalBatch) throws {
    progress.skippedSteps += 1
    progress.skippedInARow += 1
    let error = try notFinite(outcome, batch)
    guard configuration.train.notFinite == .skip,
      progress.skippedInARow < configuration.train.maxSkips
    else { throw error }
    guard team.isFirst else { return }
    team.log.logger.warning(
      """
      \(error.place ?? ""): \(error.reason); the step is skipped, \(progress.skippedInARow) in a \
      row and \(progress.skippedSteps) in all.
      """)
  }

  private func notFinite(
    _ outcome: StepEngine.Outcome, _ batch: GlobalBatch
  ) throws -> TrainingError {
    let search = NonFiniteSearch(engine: engine.gradients, team: team)
    let culprits = try search.culprits(
      batch, of: data.train,
      randomness: Dropout.Randomness(configuration, step: progress.step - 1))
    return TrainingError(
      kind: .notFinite, place: "step \(progress.step), \(culprits)",
      reason: "\(outcome.loss.isFinite ? "the gradient" : "the loss") is NaN or infinite",
      cure: Self.cure)
  }

  /// Checks that the parameters are what a validation may score and a checkpoint may keep.
  ///
  /// A finite gradient can still lead out of the numbers, where a learning rate is far too high.
  ///
  /// - Throws: `TrainingError`, on all ranks.
  func requireFiniteParameters() throws {
    try team.together("checking the parameters") {
      guard !state.parameters.values.elements.allFinite else { return }
      throw TrainingError(
        kind: .notFinite, place: "step \(progress.step)",
        reason: "a parameter is NaN or infinite after its update",
        cure: "Lower optimizer.learningRate and go on from an older checkpoint.")
    }
  }
}
