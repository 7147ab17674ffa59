import Checkpointing
import DFERCModel
import DialogueData
import Logging
import TensorCore

/// Everything that rank 0 writes during a run: rows, lines, checkpoints, the result.
final class RunRecorder {
  /// The name of the run.
  let name: String
  private let folder: RunFolder
  private let store: CheckpointStore
  private let metrics: MetricsLog
  private let samples: SampleLog?
  private let log: RunLog
  private let description: [String: String]
  private let start = ContinuousClock.now
  private var meter = ProgressMeter(epochs: 0, steps: 0)
  private var lastStep = ContinuousClock.now

  /// - Parameters:
  ///   - name: of the run.
  ///   - folder: open and locked.
  ///   - store: of the folder's checkpoints.
  ///   - log: of rank 0.
  ///   - description: metadata of every checkpoint.
  ///   - resumingAt: the step of the checkpoint that the run goes on from; nil for a new run.
  ///   - logsSamples: whether the dialogues of every step are written down.
  /// - Throws: `FileError`.
  init(
    name: String, folder: RunFolder, store: CheckpointStore, log: RunLog,
    description: [String: String], resumingAt step: Int?, logsSamples: Bool
  ) throws {
    self.name = name
    self.folder = folder
    self.store = store
    self.log = log
    self.description = description
    metrics = try MetricsLog(folder: folder.path, resumingAt: step)
    samples = logsSamples ? try SampleLog(folder: folder.path, resumingAt: step) : nil
  }

  /// The seconds since the recorder was made.
  var secondsElapsed: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// Starts to measure the speed.
  func begin(epochs: Int, totalSteps: Int, startingAt step: Int) {
    meter = ProgressMeter(epochs: epochs, steps: totalSteps)
    lastStep = .now
    if step > 0 { log.logger.info("going on after step \(step) of \(totalSteps)") }
  }

  /// Writes the row of a step and shows how far the run is.
  func record(
    _ outcome: StepEngine.Outcome, of batch: GlobalBatch, in split: Split,
    _ progress: TrainingProgress
  ) throws {
    let now = ContinuousClock.now
    let seconds = (now - lastStep) / .seconds(1)
    lastStep = now
    let epoch = progress.epoch + 1
    try metrics.add(
      MetricsRow(
        event: .train, epoch: epoch, step: progress.step,
        values: [
          .utterances: Double(batch.utteranceCount), .loss: outcome.loss,
          .emotion: outcome.parts.emotion,
          .contrastiveModality: outcome.parts.contrastiveModality,
          .contrastiveUtterance: outcome.parts.contrastiveUtterance,
          .tcpClassification: outcome.parts.classification,
          .tcpRegression: outcome.parts.regression, .prototype: outcome.parts.prototype,
          .learningRate: outcome.learningRate, .gradientNorm: outcome.gradientNorm,
          .timeTaken: seconds, .timeElapsed: secondsElapsed,
          .utterancesPerSecond: Double(batch.utteranceCount) / seconds,
        ]))
    try samples?.add(
      epoch: epoch, step: progress.step, dialogues: batch.dialogues.map { split.dialogues[$0].id })
    log.show(
      meter.advance(
        epoch: epoch, step: progress.step, loss: outcome.loss, utterances: batch.utteranceCount,
        now: now))
  }

  /// Writes the row of an evaluation.
  func record(
    _ event: MetricsRow.Event, _ scores: Evaluator.Scores, _ report: ClassificationReport,
    epoch: Int, step: Int, seconds: Double
  ) throws {
    let count = Double(report.utterances)
    try metrics.add(
      MetricsRow(
        event: event, epoch: epoch, step: step,
        values: [
          .utterances: count, .emotion: scores.crossEntropy, .accuracy: report.accuracy,
          .weightedF1: report.weightedF1, .timeTaken: seconds, .timeElapsed: secondsElapsed,
          .utterancesPerSecond: count / seconds,
        ]))
    if event == .validation {
      log.logger.info(
        """
        epoch \(epoch): validation weighted F1 \(String(fixed: report.weightedF1, digits: 4)), \
        accuracy \(String(fixed: report.accuracy, digits: 4)), \
        cross-entropy \(String(fixed: scores.crossEntropy, digits: 4))
        """)
    }
    lastStep = .now
    meter.skip()
  }

  /// Saves the checkpoint of the step that was just made.
  func save(_ state: ModelState, _ progress: TrainingProgress) throws {
    try folder.confirmOwnership()
    try store.save(
      CheckpointCoding.draft(state, progress, description: description), step: progress.step)
    lastStep = .now
    meter.skip()
  }

  /// Saves the state of the best epoch.
  func saveBest(_ state: ModelState, _ progress: TrainingProgress) throws {
    try folder.confirmOwnership()
    try store.saveBest(CheckpointCoding.draft(state, progress, description: description))
    lastStep = .now
    meter.skip()
  }

  /// Sees to it that the best checkpoint of this folder is the one that a resumed run speaks of.
  ///
  /// A run that goes on from an older step, or in another folder, may find the best epoch of
  /// another course of training, or none.
  ///
  /// - Parameters:
  ///   - best: what the checkpoint says is the best epoch so far.
  ///   - checkpoint: the file that the run goes on from; the best of its folder may be copied.
  /// - Returns: whether the best epoch's file is there; if not, the best is chosen anew.
  func adoptBest(_ best: TrainingProgress.Best?, besides checkpoint: String) throws -> Bool {
    guard let best else { return true }
    if holds(store.bestPath, best) { return true }
    let other = CheckpointStore(
      folder: FileSystem.parent(of: FileSystem.parent(of: checkpoint)), keepLast: 1)
    if holds(other.bestPath, best) {
      try FileSystem.write(FileSystem.readAll(other.bestPath), to: store.bestPath)
      return true
    }
    log.logger.warning(
      """
      \(store.bestPath) does not hold epoch \(best.epoch), the best of the run that goes on; \
      the best epoch is chosen anew from here.
      """)
    return false
  }

  private func holds(_ path: String, _ best: TrainingProgress.Best) -> Bool {
    guard let checkpoint = try? Checkpoint(path: path),
      let progress = try? CheckpointCoding.progress(of: checkpoint)
    else { return false }
    return progress.best == best
  }

  /// Reads the parameters of the best epoch back.
  func restoreBest(into state: ModelState) throws {
    try CheckpointCoding.restore(state, from: store.best())
  }

  /// Writes the result and gives the folder free.
  func finish(_ result: RunResult) throws {
    try folder.write(result)
    try metrics.close()
    try samples?.close()
    try folder.close()
  }
}
