import DialogueData
import JobControl
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
  package func countSkip(_ outcome: TrainingStep.Outcome, _ batch: GlobalBatch) throws {
    progress.skippedSteps += 1
    progress.skippedInARow += 1
    // A bit that has flipped on one rank may be what led out of the numbers.
    try compareReplicas(isDue: true)
    let error = try notFinite(outcome, batch)
    guard configuration.train.notFinite == .skip,
      progress.skippedInARow < configuration.train.maxSkips
    else { throw error }
    guard team.isRoot else { return }
    team.log.logger.warning(
      """
      \(error.place ?? ""): \(error.reason); the step is skipped, \(progress.skippedInARow) in a \
      row and \(progress.skippedSteps) in all.
      """)
  }

  private func notFinite(
    _ outcome: TrainingStep.Outcome, _ batch: GlobalBatch
  ) throws -> TrainingError {
    let search = NonFiniteSearch(engine: trainingStep.engine, team: team)
    let culprits = try search.culprits(
      batch, of: data.train,
      randomness: Dropout.Randomness(
        of: state.model, seed: configuration.train.seed, step: progress.step - 1))
    return TrainingError(
      kind: .notFinite, place: "step \(progress.step), \(culprits)",
      reason: "\(outcome.loss.isFinite ? "the gradient" : "the loss") is NaN or infinite",
      cure: Self.cure)
  }

  /// Checks that the state is what a validation may score and a checkpoint may keep; collective.
  ///
  /// - Throws: `TrainingError`, on all ranks, where replicas have drifted apart or the state is not
  ///   finite.
  package func requireSoundState() throws {
    try compareReplicas(isDue: true)
    try state.requireFinite(step: progress.step, team)
  }
}
