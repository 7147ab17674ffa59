import Checkpointing
import DFERCModel
import DataParallel
import DialogueData
import NeuralNet
import Optimizing
import TensorCore

/// A whole run on one rank: epochs of steps, evaluations, checkpoints, the final score.
///
/// All ranks go through the same steps with the same state. Rank 0 alone has a ``RunRecorder``,
/// which is the only part that touches the run folder.
final class Trainer {
  private let team: RankTeam
  private let configuration: RunConfiguration
  private let data: LoadedData
  private let plan: BatchPlan
  private var schedule: LearningRateSchedule
  private let engine: StepEngine
  private let evaluator: Evaluator
  private let recorder: RunRecorder?
  private let groupLimit: Int?
  private var progress = TrainingProgress()

  /// The tensors of the run.
  let state: ModelState

  /// Collective: every rank makes one at the same place.
  ///
  /// - Parameters:
  ///   - team: the ranks.
  ///   - configuration: of the run.
  ///   - data: checked.
  ///   - recorder: on rank 0.
  ///   - groupLimit: evaluate at most this many groups of dialogues; nil for all.
  init(
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
    schedule = LearningRateSchedule(warmupSteps: 0, totalSteps: 0)
    let model = DFERC(
      DFERCOptions(
        configuration, widths: data.train.modalities,
        emotionCount: data.dataset.manifest.emotions.count))
    let gradients = try GradientEngine(
      model: model, seed: configuration.train.seed, products: LinearProducts(configuration),
      team: team)
    engine = StepEngine(
      gradients: gradients, configuration: configuration, workers: team.workers)
    evaluator = Evaluator(
      model: model, parameters: gradients.parameters, collective: team.collective,
      workers: team.workers)
    state = ModelState(
      model: model, parameters: gradients.parameters, prototypes: gradients.prototypes,
      optimizer: engine.optimizer)
    schedule = makeSchedule()
  }

  /// The learning rate from the first step to the last that is planned.
  ///
  /// The steps still to be made follow from what is left of the epochs; with an unchanged
  /// configuration that is `epochs * ceil(dialogues / batch)` in all.
  private func makeSchedule() -> LearningRateSchedule {
    let perBatch = configuration.train.dialoguesPerBatch
    let restOfEpoch = (plan.dialogueCount - progress.cursor + perBatch - 1) / perBatch
    let laterEpochs = configuration.train.epochs - progress.epoch - 1
    let remaining = laterEpochs < 0 ? 0 : restOfEpoch + laterEpochs * plan.stepsPerEpoch
    let planned = progress.step + remaining
    return LearningRateSchedule(
      warmupSteps: configuration.optimizer.warmupSteps,
      totalSteps: configuration.train.maxSteps.map { min($0, planned) } ?? planned)
  }

  private var totalSteps: Int { schedule.totalSteps }

  /// Goes on from a checkpoint, which rank 0 alone has; collective.
  func resume(from checkpoint: Checkpoint?) throws {
    let restored = try team.onFirst("reading the checkpoint") { () -> TrainingProgress in
      guard let checkpoint else { preconditionFailure("rank 0 resumes from a checkpoint") }
      try CheckpointCoding.restore(state, from: checkpoint)
      var progress = try CheckpointCoding.progress(of: checkpoint)
      let hasBest = try recorder?.adoptBest(progress.best, besides: checkpoint.path)
      if hasBest == false { progress.best = nil }
      return progress
    }
    progress = try team.shared(restored ?? TrainingProgress())
    if progress.cursor >= plan.dialogueCount { progress.finishEpoch() }
    schedule = makeSchedule()
    try state.broadcast(over: team.collective)
  }

  /// Trains to the end and scores the test split with the best epoch.
  ///
  /// - Returns: the result, the same on every rank but for times.
  func run() throws -> RunResult {
    warnAboutWarmup()
    try train()
    return try finish()
  }

  private func warnAboutWarmup() {
    let warmup = configuration.optimizer.warmupSteps
    guard warmup >= totalSteps, groupLimit == nil, team.isFirst else { return }
    team.log.logger.warning(
      """
      the warm-up of \(warmup) steps is not over when training ends after \(totalSteps); \
      lower optimizer.warmupSteps or train longer.
      """)
  }
}

// MARK: - Training

extension Trainer {
  private func train() throws {
    recorder?.begin(
      epochs: configuration.train.epochs, totalSteps: totalSteps, startingAt: progress.step)
    while progress.step < totalSteps, progress.epoch < configuration.train.epochs, !hasLostPatience
    {
      let epoch = plan.epoch(progress.epoch)
      if progress.cursor == 0, configuration.prototype.reset == .epoch { state.prototypes.reset() }
      while progress.epoch == epoch.epoch, progress.step < totalSteps {
        try step(epoch.globalBatch(from: progress.cursor))
      }
    }
  }

  private var hasLostPatience: Bool {
    configuration.train.patience.map { progress.epochsWithoutImprovement >= $0 } ?? false
  }

  private func step(_ batch: GlobalBatch) throws {
    let outcome = try engine.run(
      batch, of: data.train, step: progress.step,
      rateFactor: schedule.factor(step: progress.step))
    progress.step += 1
    progress.cursor = batch.nextCursor
    _ = try team.onFirst("logging a step") {
      try recorder?.record(outcome, of: batch, in: data.train, progress)
    }
    if progress.cursor >= plan.dialogueCount {
      progress.finishEpoch()
      try validate()
    } else if progress.step == totalSteps {
      try validate()
    }
    if progress.step % configuration.checkpoint.everySteps == 0 { try save() }
  }

  /// Scores the validation split and keeps the state if it is the best so far.
  private func validate() throws {
    let number = max(progress.epochsBegun, 1)
    let start = ContinuousClock.now
    let scores = try evaluator.score(data.validation, groupLimit: groupLimit)
    let report = ClassificationReport(
      scores.matrix, emotions: data.dataset.manifest.emotions)
    let isBest = progress.score(report, epoch: number)
    _ = try team.onFirst("recording an evaluation") {
      try recorder?.record(
        .validation, scores, report, epoch: number, step: progress.step,
        seconds: (ContinuousClock.now - start) / .seconds(1))
      if isBest { try recorder?.saveBest(state, progress) }
    }
  }

  private func save() throws {
    _ = try team.onFirst("saving a checkpoint") { try recorder?.save(state, progress) }
  }
}

// MARK: - The end

extension Trainer {
  private func finish() throws -> RunResult {
    if progress.best == nil { try validate() }
    if progress.step % configuration.checkpoint.everySteps != 0 { try save() }
    _ = try team.onFirst("reading the best checkpoint") {
      try recorder?.restoreBest(into: bestState)
    }
    try bestState.broadcast(over: team.collective)
    let start = ContinuousClock.now
    let scores = try evaluator.score(data.test, groupLimit: groupLimit)
    let report = ClassificationReport(scores.matrix, emotions: data.dataset.manifest.emotions)
    guard let best = progress.best else { preconditionFailure("validation leaves a best epoch") }
    let result = RunResult(
      name: recorder?.name ?? "", version: ProgramVersion.current, seed: configuration.train.seed,
      epochs: progress.epochsBegun, steps: progress.step, bestEpoch: best.epoch,
      validation: best.validation, test: report,
      environment: RunDescription.environment(of: team), timeTotal: recorder?.secondsElapsed ?? 0)
    _ = try team.onFirst("writing the result") {
      try recorder?.record(
        .test, scores, report, epoch: best.epoch, step: progress.step,
        seconds: (ContinuousClock.now - start) / .seconds(1))
      try recorder?.finish(result)
    }
    return result
  }

  /// The state without the optimizer, whose moments do not belong to the best epoch.
  private var bestState: ModelState {
    ModelState(
      model: state.model, parameters: state.parameters, prototypes: state.prototypes,
      optimizer: nil)
  }
}
