import Configuration
import DataParallel
import DialogueData
import JobControl
import NeuralNet
import Optimizing
import RunRecords
import TensorCore

/// A whole run on one rank: steps, evaluations, checkpoints, the final score.
///
/// All ranks go through the same tasks with the same state, in the order that ``RunSchedule`` gives
/// them. Rank 0 alone has a ``RunRecorder``, which is the only part that touches the run folder.
package final class Trainer {
  package let team: RankTeam
  package let configuration: RunConfiguration
  package let data: LoadedData
  package let recorder: RunRecorder?
  package let plan: BatchPlan
  package let trainingStep: TrainingStep
  package let evaluator: Evaluator
  package let groupLimit: Int?
  package let replicaCheck: ReplicaCheck

  /// The tensors of the run.
  package let state: ModelState

  /// What has been done; the same on every rank.
  package var progress = TrainingProgress()
  /// The progress that the checkpoint of the last step holds; nil if there is none in the run folder.
  package var savedProgress: TrainingProgress?
  /// Whether the present state is the best so far and is in no file yet.
  package var isBestUnsaved = false
  /// The learning rate from the first step to the last that is planned.
  package var schedule = LearningRateSchedule(warmupSteps: 0, totalSteps: 0)
  /// The order of the epoch that goes on, drawn once.
  package var epochPlan: EpochPlan?

  /// What has gone wrong on this rank alone since the ranks last agreed to go on.
  private var trouble: (any Error)?

  /// Collective: every rank makes one at the same place.
  ///
  /// - Parameters:
  ///   - team: the ranks.
  ///   - configuration: of the run.
  ///   - data: checked.
  ///   - recorder: on rank 0.
  ///   - groupLimit: evaluate at most this many groups of dialogues; nil for all.
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
    let model = data.model(of: configuration)
    let engine = try GradientEngine(
      model: model, seed: configuration.train.seed, options: StepOptions(configuration),
      team: team)
    trainingStep = TrainingStep(
      engine: engine, configuration: configuration, workers: team.workers)
    state = ModelState(of: trainingStep)
    evaluator = Evaluator(
      model: model, parameters: state.parameters, buffers: state.buffers,
      collective: team.collective, workers: team.workers, heartbeat: team.world.heartbeat,
      isStopRequested: team.isStopRequested)
    replicaCheck = ReplicaCheck(team: team, everySteps: configuration.train.replicaCheckSteps)
    schedule = makeSchedule()
  }

  /// Trains to the end and scores the test split with the best epoch; or saves what has been done
  /// and ends where a rank was asked to stop.
  package func run() throws -> TrainingRun.Ending {
    warnAboutWarmup()
    recorder?.begin(
      state, epochs: configuration.train.epochs, totalSteps: schedule.totalSteps,
      startingAt: progress.step)
    while try agreeToGoOn() {
      switch runSchedule.next(
        after: progress, saved: savedProgress, isBestUnsaved: isBestUnsaved)
      {
      case .step: try step()
      case .validation: try validate()
      case .save(let saves): try save(saves)
      case .test: if let result = try finish() { return .finished(result) }
      }
    }
    try saveBeforeStopping()
    return .stopped
  }

  /// What a run of this configuration and data does one after another.
  package var runSchedule: RunSchedule {
    RunSchedule(
      totalSteps: schedule.totalSteps, epochs: configuration.train.epochs,
      patience: configuration.train.patience, dialogueCount: plan.dialogueCount,
      stepsPerSave: configuration.checkpoint.everySteps)
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
  /// Does what only this rank does, between two agreements.
  ///
  /// An error is kept until all ranks meet in ``agreeToGoOn()``, for a rank that throws here would
  /// leave the others waiting.
  package func alone(_ body: () throws -> Void) {
    guard trouble == nil else { return }
    do { try body() } catch { trouble = error }
  }

  /// Throws on all ranks what has gone wrong on one of them; collective, once before every task.
  ///
  /// - Returns: false, on all ranks, if one of them was asked to stop.
  private func agreeToGoOn() throws -> Bool {
    try team.togetherUnlessStopped("writing to the run folder", throwTrouble) != nil
  }

  private func throwTrouble() throws {
    if let trouble { throw trouble }
    try recorder?.saver.checkFailure()
  }

  /// Saves the last step, unless it is saved, and gives the run folder free; collective.
  private func saveBeforeStopping() throws {
    try team.tracker.enter(.save)
    let due = DueSaves(
      best: isBestUnsaved, step: progress.step > 0 && progress != savedProgress)
    if due.best || due.step { try save(due, isUrgent: true) }
    alone {
      try recorder?.saver.finish()
      try recorder?.close()
    }
    try team.together("saving the last step", throwTrouble)
  }
}
