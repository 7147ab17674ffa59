import DialogueData
import Files
import Logging
import NeuralNet
import RunRecords

/// Records a run on rank 0: metrics, samples, progress lines and the result.
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
  ///   - lossTerms: the parts of the loss, which become columns of the metrics.
  ///   - folder: the run folder, open and locked.
  ///   - progress: the progress in the checkpoint that the run resumes from; nil for a new run.
  ///   - logsSamples: whether the dialogues of every step are logged; an existing log is continued.
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
    // A gap in the log would read as dialogues that were not trained on.
    let continuesLog = progress != nil && SampleLog.exists(in: folder.path)
    samples =
      logsSamples || continuesLog
      ? try SampleLog(folder: folder.path, resumingAt: progress?.step) : nil
    warnAboutDamage("metrics.jsonl", metrics.damagedLines)
    warnAboutDamage("samples.jsonl", samples?.damagedLines ?? [])
  }

  private func warnAboutDamage(_ file: String, _ lines: [Int]) {
    guard let first = lines.first else { return }
    let rest = lines.count - 1
    log.logger.warning(
      """
      \(folder.path)/\(file), line \(first)\(rest > 0 ? " and \(rest) more" : ""): it cannot be \
      read and is left out; the other lines stay.
      """)
  }

  /// The time since the recorder was created, in seconds.
  package var secondsElapsed: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// Prepares the saver for a state and starts measuring the speed.
  package func begin(_ state: ModelState, epochs: Int, totalSteps: Int, startingAt step: Int) {
    // The logs stay open until the last save has ended, and `synchronize` is safe on any thread.
    nonisolated(unsafe) let (metrics, samples) = (metrics, samples)
    saver.begin(state) {
      try metrics.synchronize()
      try samples?.synchronize()
    }
    meter = ProgressMeter(epochs: epochs, steps: totalSteps)
    lastStep = .now
    if step > 0 { log.logger.info("going on after step \(step) of \(totalSteps)") }
  }

  /// Writes the metrics and samples of a step and updates the progress line.
  ///
  /// - Parameters:
  ///   - parts: the unweighted parts of the loss, in the order of the loss terms.
  ///   - split: the training split.
  ///   - progress: the progress after the step.
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

  /// Writes the metrics of an evaluation.
  ///
  /// - Parameter seconds: the time that the evaluation took.
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

  /// Excludes the time since the last step, such as that of a save, from the measured speed.
  package func skipTime() {
    lastStep = .now
    meter.skip()
  }

  /// Writes the result and releases the folder.
  ///
  /// The metrics are durable before the result is, and the result before the lock is released.
  package func finish(_ result: RunResult) throws {
    try metrics.synchronize()
    try samples?.synchronize()
    try folder.write(result)
    try close()
  }

  /// Closes the logs and releases the folder.
  package func close() throws {
    try metrics.close()
    try samples?.close()
    try folder.close()
  }
}
