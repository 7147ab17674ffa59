import TensorCore

extension Commands {
  /// Trains a model, from the data to the test score; collective over all ranks.
  ///
  /// - Returns: `done`, or `stopped` if the run was ended by a signal.
  /// - Throws: any error of configuration, data, storage or training, on all ranks alike.
  public static func train(_ request: TrainRequest) throws -> ExitStatus {
    StopSignal.install()
    let team = try RankTeam.start(threads: request.threads, faults: request.faults)
    return try team.tracker.locatingErrors { try train(request, team) }
  }

  private static func train(_ request: TrainRequest, _ team: RankTeam) throws -> ExitStatus {
    try team.tracker.enter(.start)
    var resolved = try team.together("reading the configuration") {
      try request.configuration.resolve()
    }
    if request.isFastDevelopmentRun { resolved = resolved.shortened() }
    try team.setStallLimits(resolved.configuration)
    let status = try train(request, resolved, team)
    try team.world.finish()
    return status
  }

  private static func train(
    _ request: TrainRequest, _ resolved: ResolvedConfiguration, _ team: RankTeam
  ) throws -> ExitStatus {
    try team.tracker.enter(.load)
    let loaded = try team.togetherUnlessStopped("reading the data") {
      try LoadedData(resolved) {
        team.world.heartbeat.beat()
        return team.isStopRequested()
      }
    }
    guard let loaded, let data = loaded else {
      team.log.logger.info("\(StopNotice(request, step: 0, steps: nil))")
      return .stopped
    }
    let resolved = resolved.using(data.dataset.modalities)
    let configuration = resolved.configuration
    try team.requireSame([("configuration", configuration.yaml), ("dataset", data.digest)])
    if configuration.train.microBatches != nil {
      try team.requireSame(
        Reproducibility.facts,
        cure: "Install the same program and libraries on all nodes; for one kernel on all of them "
          + "start with mpirun -x OPENBLAS_CORETYPE=Haswell; or set train.microBatches to null.")
    }
    team.announce()
    team.settleThreads(for: configuration)
    let notice = Reproducibility.unevenRanks(
      microBatches: configuration.train.microBatches, ranks: team.collective.size)
    if let notice, team.isFirst { team.log.logger.warning("\(notice)") }
    try team.tracker.enter(.open)
    let session = try TrainingSession(request, resolved, data, team)
    if case .finished(let result) = session.start {
      if team.isFirst { try StandardOutput.write("this run has ended before\n\(result.summary)") }
      return .done
    }
    return try train(session, request, configuration, data, team)
  }

  private static func train(
    _ session: TrainingSession, _ request: TrainRequest, _ configuration: RunConfiguration,
    _ data: LoadedData, _ team: RankTeam
  ) throws -> ExitStatus {
    let trainer = try Trainer(
      team: team, configuration: configuration, data: data, recorder: session.recorder,
      groupLimit: request.isFastDevelopmentRun ? 1 : nil)
    try team.announceLateWarnings()
    if case .resumed = session.start { try trainer.resume(from: session.checkpoint) }
    let ending = try trainer.run()
    team.log.clearProgress()
    _ = try team.onFirst("ending the run") {
      if case .finished(let result) = ending { try StandardOutput.write(result.summary) }
      guard let folder = session.folderPath else { return }
      try session.temporaryFolder?.remove()
      switch ending {
      case .finished:
        if !request.isFastDevelopmentRun { team.log.logger.info("everything is in \(folder)") }
      case .stopped:
        let steps = trainer.schedule.totalSteps
        team.log.logger.info(
          "\(StopNotice(request, step: trainer.progress.step, steps: steps))")
      }
    }
    if case .stopped = ending { return .stopped }
    return .done
  }
}
