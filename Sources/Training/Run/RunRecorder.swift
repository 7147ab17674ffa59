import DialogueData
import Files
import Logging
import NeuralNet
import RunRecords

/// What rank 0 tells of a run while it goes on: rows, lines, the result.
package final class RunRecorder {
  /// The name of the run.
  package let name: String
  /// Writes the checkpoints.
  package let saver: CheckpointSaver
  /// The checkpoint of the best epoch.
  package let best: BestCheckpoint
  private let lossTerms: [LossTerm]
  private let folder: RunFolder
  private let metrics: MetricsLog
  private let samples: SampleLog?
  private let log: RunLog
  private let start = ContinuousClock.now
  private var meter = ProgressMeter(epochs: 0, steps: 0)
  private var lastStep = ContinuousClock.now

  /// - Parameters:
  ///   - name: of the run.
  ///   - lossTerms: the parts of the loss.
  ///   - folder: open and locked.
  ///   - saver: of the folder's checkpoints.
  ///   - best: the checkpoint of the best epoch in the folder.
  ///   - log: of rank 0.
  ///   - resumingAt: the progress of the checkpoint that the run goes on from; nil for a new run.
  ///   - logsSamples: whether the dialogues of every step are written down.
  /// - Throws: `FileError`.
  package init(
    name: String, lossTerms: [LossTerm], folder: RunFolder, saver: CheckpointSaver,
    best: BestCheckpoint, log: RunLog,
    resumingAt progress: TrainingProgress?, logsSamples: Bool
  ) throws {
    self.name = name
    self.lossTerms = lossTerms
    self.folder = folder
    self.saver = saver
    self.best = best
    self.log = log
    metrics = try MetricsLog(
      MetricsColumns(lossTerms: lossTerms.map(\.name)), folder: folder.path,
      resumingAt: progress?.step, isValidated: progress?.isValidated ?? false)
    // A gap would look like dialogues that were left out.
    let goesOnLogging = progress != nil && SampleLog.exists(in: folder.path)
    samples =
      logsSamples || goesOnLogging
      ? try SampleLog(folder: folder.path, resumingAt: progress?.step) : nil
    tellDamage("metrics.jsonl", metrics.damagedLines)
    tellDamage("samples.jsonl", samples?.damagedLines ?? [])
  }

  private func tellDamage(_ file: String, _ lines: [Int]) {
    guard let first = lines.first else { return }
    let rest = lines.count - 1
    log.logger.warning(
      """
      \(folder.path)/\(file), line \(first)\(rest > 0 ? " and \(rest) more" : ""): it cannot be \
      read and is left out; the other lines stay.
      """)
  }

  /// The seconds since the recorder was made.
  package var secondsElapsed: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// Makes ready for the saves of a state, and starts to measure the speed.
  package func begin(_ state: ModelState, epochs: Int, totalSteps: Int, startingAt step: Int) {
    // The logs stay open until the last save is done, and making them durable is safe on any thread.
    nonisolated(unsafe) let (metrics, samples) = (metrics, samples)
    saver.begin(state) {
      try metrics.synchronize()
      try samples?.synchronize()
    }
    meter = ProgressMeter(epochs: epochs, steps: totalSteps)
    lastStep = .now
    if step > 0 { log.logger.info("going on after step \(step) of \(totalSteps)") }
  }

  /// Writes the row of a step and shows how far the run is.
  ///
  /// - Parameters:
  ///   - outcome: of the step.
  ///   - parts: the unweighted parts of its loss.
  ///   - batch: the global batch of the step.
  ///   - split: the training split.
  ///   - progress: after the step.
  package func record(
    _ outcome: TrainingStep.Outcome, _ parts: [Double], of batch: GlobalBatch,
    in split: Split,
    _ progress: TrainingProgress
  ) throws {
    let now = ContinuousClock.now
    let seconds = (now - lastStep) / .seconds(1)
    lastStep = now
    let epoch = progress.epoch + 1
    var values = [
      MetricsColumns.utterances: Double(batch.utteranceCount),
      MetricsColumns.loss: outcome.loss,
      MetricsColumns.learningRate: outcome.learningRate,
      MetricsColumns.gradientNorm: outcome.gradientNorm,
      MetricsColumns.skipped: Double(progress.skippedSteps),
      MetricsColumns.timeTaken: seconds,
      MetricsColumns.timeElapsed: secondsElapsed,
      MetricsColumns.utterancesPerSecond: Double(batch.utteranceCount) / seconds,
    ]
    for (term, part) in zip(lossTerms, parts) { values[term.name] = part }
    try metrics.add(
      MetricsRow(event: .train, epoch: epoch, step: progress.step, values: values))
    try samples?.add(
      epoch: epoch, step: progress.step, dialogues: batch.dialogues.map { split.dialogues[$0].id })
    log.show(
      meter.advance(
        epoch: epoch, step: progress.step, loss: outcome.loss, utterances: batch.utteranceCount,
        now: now))
  }

  /// Writes the row of an evaluation.
  package func record(
    _ event: MetricsRow.Event, _ scores: Evaluator.Scores, _ report: ClassificationReport,
    epoch: Int, step: Int, seconds: Double
  ) throws {
    let count = Double(report.utterances)
    try metrics.add(
      MetricsRow(
        event: event, epoch: epoch, step: step,
        values: [
          MetricsColumns.utterances: count,
          lossTerms[0].name: scores.crossEntropy,
          MetricsColumns.accuracy: report.accuracy,
          MetricsColumns.weightedF1: report.weightedF1,
          MetricsColumns.timeTaken: seconds,
          MetricsColumns.timeElapsed: secondsElapsed,
          MetricsColumns.utterancesPerSecond: count / seconds,
        ]))
    if event == .validation {
      log.logger.info(
        """
        epoch \(epoch): validation weighted F1 \(String(fixed: report.weightedF1, digits: 4)), \
        accuracy \(String(fixed: report.accuracy, digits: 4)), \
        cross-entropy \(String(fixed: scores.crossEntropy, digits: 4))
        """)
    }
    skipTime()
  }

  /// Leaves out the time until now, such as that of saving, when the speed is measured.
  package func skipTime() {
    lastStep = .now
    meter.skip()
  }

  /// Writes the result and gives the folder free.
  ///
  /// The rows are durable before the result is, and the result before another job may come.
  package func finish(_ result: RunResult) throws {
    try metrics.synchronize()
    try samples?.synchronize()
    try folder.write(result)
    try close()
  }

  /// Gives the folder of a run free that goes on another time.
  package func close() throws {
    try metrics.close()
    try samples?.close()
    try folder.close()
  }
}
