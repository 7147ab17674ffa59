import Configuration
import DataParallel
import DialogueData
import Files
import JobControl
import Logging
import RunRecords

/// A whole run, from reading the data to the test score, on a team of ranks.
///
/// It neither initialises nor finalises MPI, so a process can perform several runs in turn.
package struct TrainingRun {
  private let request: RunRequest
  private let team: RankTeam

  /// A run of a request on the ranks of a team.
  package init(_ request: RunRequest, team: RankTeam) {
    self.request = request
    self.team = team
  }

  /// How a run has ended.
  package enum Ending: Sendable {
    /// Training is complete and the test split is scored.
    case finished(Outcome)
    /// The run folder already held the result of the same run.
    case finishedBefore(Outcome)
    /// Stopped on request; the last step is saved.
    case stopped
  }

  /// The result of a run and its predictions.
  package struct Outcome: Sendable {
    /// The scores of the best epoch, equal on all ranks except for times.
    package let result: RunResult
    /// On rank 0, the predictions of the best epoch for the requested splits, in file order; empty
    /// elsewhere.
    package let predictions: [SplitName: [UtterancePrediction]]
  }

  /// Trains, and scores the test split with the best epoch; collective.
  ///
  /// - Parameters:
  ///   - resolved: the configuration, equal on every rank.
  ///   - splits: the splits to return predictions for.
  /// - Throws: any error of configuration, data, storage or training, on all ranks.
  package func run(
    _ resolved: ResolvedConfiguration, predicting splits: [SplitName] = []
  ) throws -> Ending {
    try team.setStallLimits(resolved.configuration)
    guard let data = try readData(resolved) else {
      team.log.logger.info("\(StopNotice(request, step: 0, steps: nil))")
      return .stopped
    }
    let resolved = resolved.using(data.dataset.modalities)
    try requireSameRun(resolved.configuration, data)
    team.announce()
    team.limitBLASThreads(for: resolved.configuration)
    warnAboutUnevenRanks(resolved.configuration)
    try team.tracker.enter(.open)
    let session = try TrainingSession(request, resolved, data, team)
    let ending: Ending
    if let result = session.result {
      let predictions = try predictions(splits, of: session, data)
      ending = .finishedBefore(Outcome(result: result, predictions: predictions))
    } else {
      ending = try train(session, resolved.configuration, data, predicting: splits)
    }
    // After an error, the handlers stay registered and are called at exit.
    session.unregisterExitHandlers(team.log)
    return ending
  }

  /// The predictions of the best checkpoint of a run that has finished already; collective.
  private func predictions(
    _ splits: [SplitName], of session: TrainingSession, _ data: LoadedData
  ) throws -> [SplitName: [UtterancePrediction]] {
    guard !splits.isEmpty else { return [:] }
    let best = try team.onRoot("finding the best checkpoint") {
      guard let path = session.bestPath else { preconditionFailure("rank 0 has no run folder") }
      return path
    }
    let evaluator = Evaluator(try SavedModel(checkpoint: best, team: team), team)
    return try Dictionary(
      uniqueKeysWithValues: splits.map {
        ($0, try evaluator.gatheredPredictions(of: data.split($0), team))
      })
  }

  /// Reads the data on every rank; nil, on all ranks, if a stop was requested on one of them.
  private func readData(_ resolved: ResolvedConfiguration) throws -> LoadedData? {
    try team.tracker.enter(.load)
    let loaded = try team.togetherUnlessStopped("reading the data") {
      try LoadedData(resolved) {
        team.world.heartbeat.beat()
        return team.isStopRequested()
      }
    }
    guard let loaded else { return nil }
    return loaded
  }

  private func requireSameRun(_ configuration: RunConfiguration, _ data: LoadedData) throws {
    try team.requireSame([("configuration", configuration.yaml), ("dataset", data.digest)])
    guard configuration.train.microBatches != nil else { return }
    try team.requireSame(
      Reproducibility.facts,
      cure: "Install the same program and libraries on all nodes; for one kernel on all of them "
        + "start with mpirun -x OPENBLAS_CORETYPE=Haswell; or set train.microBatches to null.")
  }

  private func warnAboutUnevenRanks(_ configuration: RunConfiguration) {
    let notice = Reproducibility.unevenRanks(
      microBatches: configuration.train.microBatches, ranks: team.collective.size)
    if let notice, team.isRoot { team.log.logger.warning("\(notice)") }
  }

  private func train(
    _ session: TrainingSession, _ configuration: RunConfiguration, _ data: LoadedData,
    predicting splits: [SplitName]
  ) throws -> Ending {
    let trainer = try Trainer(
      team: team, configuration: configuration, data: data, recorder: session.recorder,
      groupLimit: request.isFastDevelopmentRun ? 1 : nil)
    try team.announceLateWarnings()
    if case .resumed = session.start { try trainer.resume(from: session.checkpoint) }
    let result = try trainer.run()
    let predictions = try Dictionary(
      uniqueKeysWithValues: (result == nil ? [] : splits).map {
        ($0, try trainer.predictions(of: $0))
      })
    team.log.clearProgress()
    try team.onRoot("ending the run") {
      try end(session, isFinished: result != nil, trainer)
    }
    return result.map { .finished(Outcome(result: $0, predictions: predictions)) } ?? .stopped
  }

  /// Logs the run folder of a finished run, or the command that resumes a stopped one; on rank 0.
  private func end(_ session: TrainingSession, isFinished: Bool, _ trainer: Trainer) throws {
    guard let folder = session.folderPath else { return }
    try session.temporaryFolder?.remove()
    if isFinished {
      if !request.isFastDevelopmentRun { team.log.logger.info("everything is in \(folder)") }
    } else {
      let steps = trainer.schedule.totalSteps
      team.log.logger.info("\(StopNotice(request, step: trainer.progress.step, steps: steps))")
    }
  }
}
