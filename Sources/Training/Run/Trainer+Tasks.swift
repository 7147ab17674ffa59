import DataParallel
import DialogueData
import Foundation
import JobControl
import Optimizing
import RunRecords

// What a run consists of. Every task is collective and leaves the ranks with equal progress.

extension Trainer {
  /// Trains on the next global batch.
  package func step() throws {
    try team.tracker.begin(step: progress.step + 1)
    if progress.cursor == 0, state.model.resetsRunningBuffersEachEpoch { state.buffers.reset() }
    let batch = currentEpochPlan().globalBatch(from: progress.cursor)
    let outcome = try trainingStep.run(
      batch, of: data.train, step: progress.step,
      rateFactor: schedule.factor(step: progress.step))
    // A search for what is not finite computes them anew, on this rank alone.
    let lossParts = Array(trainingStep.engine.lossParts)
    progress.step += 1
    progress.cursor = batch.nextCursor
    switch outcome.effect {
    case .updated: progress.skippedInARow = 0
    case .skipped: try countSkip(outcome, batch)
    }
    try compareReplicas()
    try team.tracker.enter(.log)
    alone {
      if let damage = trainingStep.optimizer.damage { throw memoryError(damage) }
      try recorder?.record(outcome, lossParts, of: batch, in: data.train, progress)
    }
  }

  /// Holds the ranks' tensors against each other, where that is due; collective.
  ///
  /// - Parameter isDue: whether it is due after any step.
  package func compareReplicas(isDue: Bool = false) throws {
    try replicaCheck.run(
      state.replicaDigests, step: progress.step, isDue: isDue)
  }

  private func memoryError(_ damage: AdamW.Damage) -> LocatedError {
    let error = TrainingError(
      kind: .disagreement,
      reason: "\(state.name(of: damage)) is not what the step before has left in memory",
      cure: "Memory or a processor has failed: test node \(ProcessInfo.processInfo.hostName), and "
        + "go on from a checkpoint older than step \(progress.step - 1).")
    var status = team.world.heartbeat.status
    status.phase = .update
    return LocatedError(error, rank: team.rank, of: team.collective.size, status)
  }

  private func currentEpochPlan() -> EpochPlan {
    if let epochPlan, epochPlan.epoch == progress.epoch { return epochPlan }
    let drawn = plan.epoch(progress.epoch)
    epochPlan = drawn
    return drawn
  }

  /// Scores the validation split, notes whether the state is the best so far, and ends the epoch.
  ///
  /// Where a stop was requested, nothing has happened; the agreement that follows ends the run.
  package func validate() throws {
    try requireSoundState()
    let number = max(progress.epochsBegun, 1)
    let start = ContinuousClock.now
    try team.tracker.enter(.evaluate)
    guard let scores = try evaluator.score(data.validation, groupLimit: groupLimit) else { return }
    let report = ClassificationReport(scores.matrix, emotions: data.dataset.manifest.emotions)
    isBestUnsaved = progress.score(report, epoch: number)
    if runSchedule.isAtEpochEnd(progress) { progress.finishEpoch() }
    try team.tracker.enter(.log)
    alone {
      try recorder?.record(
        .validation, scores, report, epoch: number, step: progress.step,
        seconds: (ContinuousClock.now - start) / .seconds(1))
    }
  }

  /// Copies the state and starts to write the checkpoints that are due.
  ///
  /// - Parameters:
  ///   - due: what is to be written.
  ///   - isUrgent: whether the time counts more than the size of the file.
  package func save(_ due: DueSaves, isUrgent: Bool = false) throws {
    try requireSoundState()
    try team.tracker.enter(.save)
    var snapshot: StateSnapshot?
    alone { snapshot = try recorder?.saver.prepare(for: due) }
    try state.copy(to: snapshot, progress)
    alone {
      if snapshot != nil { recorder?.saver.start(due, isUrgent: isUrgent) }
      recorder?.skipTime()
    }
    isBestUnsaved = false
    if due.step { savedProgress = progress }
  }

  /// Scores the test split with the best epoch and writes the result.
  ///
  /// - Returns: the result; nil, on all ranks, if a stop was requested on one of them.
  package func finish() throws -> RunResult? {
    try team.tracker.enter(.open)
    try restoreBest()
    let start = ContinuousClock.now
    try team.tracker.enter(.evaluate)
    guard let scores = try evaluator.score(data.test, groupLimit: groupLimit) else { return nil }
    guard let best = progress.best else { preconditionFailure("a run ends with a best epoch") }
    let report = ClassificationReport(scores.matrix, emotions: data.dataset.manifest.emotions)
    let result = RunResult(
      name: recorder?.name ?? "", version: ProgramVersion.current, seed: configuration.train.seed,
      epochs: progress.epochsBegun, steps: progress.step, bestEpoch: best.epoch,
      validation: best.validation, test: report,
      environment: RunDescription.environment(of: team), timeTotal: recorder?.secondsElapsed ?? 0)
    try team.tracker.enter(.log)
    _ = try team.onRoot("writing the result") {
      try recorder?.record(
        .test, scores, report, epoch: best.epoch, step: progress.step,
        seconds: (ContinuousClock.now - start) / .seconds(1))
      try recorder?.finish(result)
    }
    return result
  }

  private func restoreBest() throws {
    // The moments of the optimizer do not belong to the best epoch.
    let bestState = state.withoutMoments
    let best = try team.onRoot("reading the best checkpoint") {
      try recorder?.saver.finish()
      return try recorder?.saver.restoreBest(into: bestState, expecting: progress.best)
    }
    progress.best = try team.shared((best ?? nil) ?? progress.best)
    try bestState.broadcast(over: team.collective)
    // The state is that of the best epoch now, which must never be saved as that of the last step.
    savedProgress = progress
  }
}
