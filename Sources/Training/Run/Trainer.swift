import Checkpointing
import Configuration
import DataParallel
import DialogueData
import Foundation
import JobControl
import Logging
import NeuralNet
import Optimizing
import RunRecords
import TensorCore

/// A whole run on one rank: steps, evaluations, checkpoints, the test score.
///
/// All ranks perform the same tasks in the order of ``RunSchedule``; every task is collective and
/// leaves equal progress on all ranks. Only rank 0 has a ``RunRecorder``, and only that accesses the
/// run folder.
package final class Trainer {
  package let team: RankTeam
  private let configuration: RunConfiguration
  private let data: LoadedData
  private let recorder: RunRecorder?
  private let plan: BatchPlan
  package let trainingStep: TrainingStep
  private let evaluator: Evaluator
  private let groupLimit: Int?
  private let replicaCheck: ReplicaCheck

  /// The tensors of the run.
  package let state: ModelState

  /// The progress of the run, equal on all ranks.
  package private(set) var progress = TrainingProgress()
  /// The order of the remaining tasks.
  package private(set) var schedule: RunSchedule
  /// The progress in the run folder's checkpoint of the last step; nil if there is none.
  private var savedProgress: TrainingProgress?
  /// Whether the present state is the best so far and has not been saved.
  private var isBestUnsaved = false
  /// The dialogue order of the current epoch, computed once.
  private var epochPlan: EpochPlan?

  /// The first local error of this rank since the ranks last agreed to continue.
  private var pendingError: (any Error)?

  /// Allocates the model and its optimizer; collective.
  ///
  /// - Parameters:
  ///   - recorder: on rank 0; nil elsewhere.
  ///   - groupLimit: the largest number of groups of dialogues in an evaluation; nil for all.
  package init(
    team: RankTeam, configuration: RunConfiguration, data: LoadedData, recorder: RunRecorder?,
    groupLimit: Int?
  ) throws {
    self.team = team
    self.configuration = configuration
    self.data = data
    self.recorder = recorder
    self.groupLimit = groupLimit
    plan = BatchPlan(
      seed: configuration.train.seed, dialogueLengths: data.train.dialogueLengths,
      dialoguesPerBatch: configuration.train.dialoguesPerBatch,
      microBatchCount: configuration.train.microBatches ?? team.collective.size)
    schedule = RunSchedule(configuration, plan, after: progress)
    let engine = try GradientEngine(
      model: data.model(of: configuration), seed: configuration.train.seed,
      options: StepOptions(configuration), team: team)
    trainingStep = TrainingStep(
      engine: engine, configuration: configuration, workers: team.workers)
    state = ModelState(of: trainingStep)
    evaluator = Evaluator(
      model: state.model, parameters: state.parameters, buffers: state.buffers,
      collective: team.collective, workers: team.workers, heartbeat: team.world.heartbeat,
      isStopRequested: team.isStopRequested)
    replicaCheck = ReplicaCheck(team: team, everySteps: configuration.train.replicaCheckSteps)
  }

  /// Trains to the end and scores the test split with the best epoch; collective.
  ///
  /// If a stop is requested on a rank, the last step is saved and the run ends on all ranks.
  ///
  /// - Returns: the result; nil, on all ranks, if the run was stopped.
  package func run() throws -> RunResult? {
    warnAboutWarmup()
    recorder?.begin(
      state, epochs: configuration.train.epochs, totalSteps: schedule.totalSteps,
      startingAt: progress.step)
    while try agreeToContinue() {
      switch schedule.next(after: progress, saved: savedProgress, isBestUnsaved: isBestUnsaved) {
      case .step: try step()
      case .validation: try validate()
      case .save(let saves): try save(saves)
      case .test: if let result = try finish() { return result }
      }
    }
    try saveBeforeStopping()
    return nil
  }

  private func warnAboutWarmup() {
    let warmup = configuration.optimizer.warmupSteps
    guard warmup >= schedule.totalSteps, groupLimit == nil, team.isRoot else { return }
    team.log.logger.warning(
      """
      the warm-up of \(warmup) steps is not over when training ends after \
      \(schedule.totalSteps); lower optimizer.warmupSteps or train longer.
      """)
  }
}

// MARK: - Agreement

extension Trainer {
  /// Runs work of this rank that is not collective, between two agreements.
  ///
  /// An error is kept until ``agreeToContinue()``: if one rank threw it, the others would wait.
  private func locally(_ body: () throws -> Void) {
    guard pendingError == nil else { return }
    do { try body() } catch { pendingError = error }
  }

  /// Throws a local error of any rank on all ranks; collective, once before every task.
  ///
  /// - Returns: false, on all ranks, if a stop was requested on one of them.
  private func agreeToContinue() throws -> Bool {
    try team.togetherUnlessStopped("writing to the run folder", throwPendingError) != nil
  }

  private func throwPendingError() throws {
    if let pendingError { throw pendingError }
    try recorder?.saver.checkFailure()
  }

  /// Compares the tensors of all ranks if a comparison is due; collective.
  ///
  /// - Parameter isDue: whether a comparison is due after any step.
  package func compareReplicas(isDue: Bool = false) throws {
    try replicaCheck.run(state.replicaDigests, step: progress.step, isDue: isDue)
  }

  private var stateSave: StateSave {
    StateSave(of: state, replicaCheck, saver: recorder?.saver, team: team)
  }
}

// MARK: - Steps

extension Trainer {
  /// Trains on the next global batch; collective.
  package func step() throws {
    try team.tracker.begin(step: progress.step + 1)
    if progress.cursor == 0, state.model.resetsRunningBuffersEachEpoch { state.buffers.reset() }
    let batch = currentEpochPlan().globalBatch(from: progress.cursor)
    let outcome = try trainingStep.run(
      batch, of: data.train, step: progress.step,
      rateFactor: schedule.learningRate.factor(step: progress.step))
    // `NonFiniteSearch` overwrites them with the share of this rank.
    let lossParts = Array(trainingStep.engine.lossParts)
    progress.step += 1
    progress.cursor = batch.nextCursor
    switch outcome.effect {
    case .updated: progress.skippedInARow = 0
    case .skipped: try countSkip(outcome, batch)
    }
    try compareReplicas()
    try team.tracker.enter(.log)
    locally {
      if let damage = trainingStep.optimizer.damage { throw memoryError(damage) }
      try recorder?.record(outcome, lossParts, of: batch, in: data.train, progress)
    }
  }

  private func currentEpochPlan() -> EpochPlan {
    if let epochPlan, epochPlan.epoch == progress.epoch { return epochPlan }
    let current = plan.epoch(progress.epoch)
    epochPlan = current
    return current
  }

  /// Counts a skipped step and logs its cause; collective.
  ///
  /// - Throws: `TrainingError`, on all ranks, if `train.notFinite` is not `skip` or `train.maxSkips`
  ///   steps in a row were skipped.
  private func countSkip(_ outcome: TrainingStep.Outcome, _ batch: GlobalBatch) throws {
    progress.skippedSteps += 1
    progress.skippedInARow += 1
    // A flipped bit on one rank may have caused it.
    try compareReplicas(isDue: true)
    let search = NonFiniteSearch(engine: trainingStep.engine, team: team)
    let error = try search.error(
      of: outcome, batch, of: data.train, seed: configuration.train.seed, step: progress.step)
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
}

// MARK: - Evaluations

extension Trainer {
  /// Scores the validation split, updates the best epoch and ends the epoch; collective.
  ///
  /// If a stop was requested, the progress is unchanged, and the next agreement ends the run.
  package func validate() throws {
    try stateSave.requireSoundState(step: progress.step)
    let number = max(progress.epochsBegun, 1)
    let start = ContinuousClock.now
    try team.tracker.enter(.evaluate)
    guard let scores = try evaluator.score(data.validation, groupLimit: groupLimit) else { return }
    let report = ClassificationReport(scores.matrix, emotions: data.dataset.manifest.emotions)
    isBestUnsaved = progress.score(report, epoch: number)
    if schedule.isAtEpochEnd(progress) { progress.finishEpoch() }
    try team.tracker.enter(.log)
    locally {
      try recorder?.record(
        .validation, scores, report, epoch: number, step: progress.step,
        seconds: (ContinuousClock.now - start) / .seconds(1))
    }
  }

  /// Scores the test split with the best epoch and writes the result; collective.
  ///
  /// - Returns: the result; nil, on all ranks, if a stop was requested on one of them.
  private func finish() throws -> RunResult? {
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
    try team.onRoot("writing the result") {
      try recorder?.record(
        .test, scores, report, epoch: best.epoch, step: progress.step,
        seconds: (ContinuousClock.now - start) / .seconds(1))
      try recorder?.finish(result)
    }
    return result
  }

  /// The predictions for a split with the present state, on rank 0; empty elsewhere; collective.
  package func predictions(of name: SplitName) throws -> [UtterancePrediction] {
    try team.tracker.enter(.evaluate)
    return try evaluator.gatheredPredictions(
      of: data.split(name), groupLimit: groupLimit, team)
  }

  /// Replaces the parameters and running buffers by those of the best epoch; collective.
  private func restoreBest() throws {
    progress.best = try team.onRoot("reading the best checkpoint") {
      try recorder?.saver.finish()
      return try recorder?.best.restore(into: state.withoutMoments, expecting: progress.best)
    }
    try state.withoutMoments.broadcast(over: team.collective)
    // The state is now that of the best epoch and must not be saved as that of the last step.
    savedProgress = progress
  }
}

// MARK: - Checkpoints

extension Trainer {
  /// Copies the state and starts writing the due checkpoints; collective.
  ///
  /// - Parameter isUrgent: whether to compress fast, into a larger file.
  package func save(_ due: DueSaves, isUrgent: Bool = false) throws {
    try stateSave.run(due, progress, isUrgent: isUrgent, locally: locally)
    recorder?.skipTime()
    isBestUnsaved = false
    if due.step { savedProgress = progress }
  }

  /// Saves the last step unless that is done, and releases the run folder; collective.
  private func saveBeforeStopping() throws {
    try team.tracker.enter(.save)
    let due = DueSaves(
      best: isBestUnsaved, step: progress.step > 0 && progress != savedProgress)
    if due.best || due.step { try save(due, isUrgent: true) }
    locally {
      try recorder?.saver.finish()
      try recorder?.close()
    }
    try team.together("saving the last step", throwPendingError)
  }

  /// The part of a checkpoint that rank 0 broadcasts as JSON.
  private struct Restored: Codable {
    let progress: TrainingProgress
    /// Whether the checkpoint is the file of its step in the run folder.
    let isSaved: Bool
  }

  /// Resumes from a checkpoint, which is nil on ranks other than 0; collective.
  package func resume(from checkpoint: Checkpoint?) throws {
    try team.tracker.enter(.open)
    let restored = try team.onRoot("reading the checkpoint") { () -> Restored in
      guard let checkpoint, let recorder else {
        preconditionFailure("rank 0 resumes from a checkpoint")
      }
      try CheckpointCoding.restore(state, from: checkpoint)
      var progress = try CheckpointCoding.progress(of: checkpoint)
      let isSaved = recorder.saver.owns(checkpoint, ofStep: progress.step)
      let hasBest = try recorder.best.adopt(
        for: progress, RunIdentity(configuration: configuration, digest: data.digest),
        resumingFrom: checkpoint.path)
      if !hasBest { progress.best = nil }
      return Restored(progress: progress, isSaved: isSaved)
    }
    progress = restored.progress
    savedProgress = restored.isSaved ? progress : nil
    // With fewer dialogues than before, a validated epoch may be complete now.
    if schedule.isAtEpochEnd(progress), progress.isValidated { progress.finishEpoch() }
    schedule = RunSchedule(configuration, plan, after: progress)
    try state.broadcast(over: team.collective)
    try state.restoreShards(from: checkpoint, team)
    replicaCheck.begin(at: progress.step)
  }
}
