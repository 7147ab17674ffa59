import Checkpointing
import Configuration
import Files
import JobControl
import Logging
import RunRecords

/// A run folder that rank 0 has opened and locked, with the recorder that writes to it.
struct RunOpening {
  let folder: RunFolder
  /// How the run starts.
  let start: TrainingSession.Start
  /// The checkpoint to resume from; nil unless ``start`` is `resumed`.
  let checkpoint: Checkpoint?
  /// Nil if the run has finished already.
  let recorder: RunRecorder?

  /// Opens the folder and chooses the checkpoint by `--resume`.
  ///
  /// - Throws: `TrainingError` if `--resume` is `none` and the folder has checkpoints,
  ///   `ConfigurationError` if a checkpoint is of another configuration, `CheckpointError`.
  init(
    _ path: String, _ request: RunRequest, _ resolved: ResolvedConfiguration,
    _ data: LoadedData, _ team: RankTeam
  ) throws {
    folder = try RunFolder(path: path)
    ErrorExit.register(folder.lock)
    let options = resolved.configuration.checkpoint
    let store = CheckpointStore(
      folder: folder.path, keepLast: options.keepLast, level: options.level)
    let choice = ResumeChoice(store: store, resolved: resolved, data: data, log: team.log)
    (start, checkpoint) = try choice.start(request.resume, in: folder)
    if case .finished = start {
      recorder = nil
      try folder.close()
      ErrorExit.unregister(folder.lock)
      return
    }
    try folder.removeResult()
    try store.prepare()
    try team.log.open(folder.log)
    ErrorExit.register(team.log)
    try folder.write(resolved.configuration)
    recorder = try Self.recorder(
      request, resolved, data, team, folder: folder, store: store, checkpoint: checkpoint)
  }

  private static func recorder(
    _ request: RunRequest, _ resolved: ResolvedConfiguration, _ data: LoadedData,
    _ team: RankTeam, folder: RunFolder, store: CheckpointStore, checkpoint: Checkpoint?
  ) throws -> RunRecorder {
    let configuration = resolved.configuration
    let model = data.model(of: configuration)
    let previous = checkpoint?.metadata ?? [:]
    let description = try RunDescription.metadata(
      configuration, model: model, dataset: data.dataset, digest: data.digest,
      ranks: team.collective.size, resumingFrom: previous)
    let changes = Reproducibility.changes(
      from: previous, to: description, microBatches: configuration.train.microBatches)
    for change in changes { team.log.logger.warning("\(change)") }
    let saver = CheckpointSaver(
      folder: folder, store: store, tracker: team.tracker, description: description,
      ifSaveFails: configuration.checkpoint.ifSaveFails, log: team.log)
    return try RunRecorder(
      name: resolved.name, lossTerms: model.lossTerms, folder: folder, saver: saver,
      best: BestCheckpoint(in: store, log: team.log), log: team.log,
      resumingAt: try checkpoint.map(CheckpointCoding.progress),
      logsSamples: request.logsSamples)
  }
}

/// Chooses the checkpoint that a run resumes from.
private struct ResumeChoice {
  let store: CheckpointStore
  let resolved: ResolvedConfiguration
  let data: LoadedData
  let log: RunLog

  func start(
    _ request: RunRequest.Resume, in folder: RunFolder
  ) throws -> (TrainingSession.Start, Checkpoint?) {
    switch request {
    case .none:
      try requireNoCheckpoints()
      return (.fresh, nil)
    case .checkpoint(let path):
      let checkpoint = try Checkpoint(path: path)
      _ = try agrees(checkpoint)
      try removeLaterSteps(than: checkpoint)
      return (.resumed, checkpoint)
    case .auto:
      let search = try store.newestValid()
      for failure in search.rejected { log.logger.warning("passed over: \(failure)") }
      guard let checkpoint = search.checkpoint else {
        try requireNoneRejected(search)
        return (.fresh, nil)
      }
      if try agrees(checkpoint), let result = folder.result() { return (.finished(result), nil) }
      return (.resumed, checkpoint)
    }
  }

  private func requireNoCheckpoints() throws {
    guard try !store.steps().isEmpty || FileSystem.exists(store.bestPath) else { return }
    throw TrainingError(
      kind: .usage, place: store.folder, reason: "the folder holds the checkpoints of a run",
      cure: "Go on with it by --resume auto, or start another run with another --output.")
  }

  /// Refuses a folder whose checkpoints are all broken: a new run would overwrite recoverable files.
  private func requireNoneRejected(_ search: CheckpointSearch) throws {
    guard let newest = search.rejected.first else { return }
    throw newest
  }

  /// Removes the checkpoints of steps after the one that a run returns to, so that `--resume auto`
  /// does not use them.
  private func removeLaterSteps(than checkpoint: Checkpoint) throws {
    let folder = FileSystem.parent(of: checkpoint.path)
    let isOwn = [store.folder, store.stepFolder].contains { FileSystem.isSame($0, folder) }
    guard isOwn else { return try requireNoCheckpoints() }
    let step = try checkpoint.count(CheckpointCoding.Key.step)
    for later in try store.steps() where later > step {
      try FileSystem.remove(store.path(ofStep: later))
      log.logger.warning(
        "removed the checkpoint of step \(later): the run goes on from step \(step).")
    }
    guard let best = try? store.best(), try best.integer(CheckpointCoding.Key.step) > step
    else { return }
    try FileSystem.remove(store.bestPath)
    log.logger.warning(
      "removed the best checkpoint, of a later step: the run goes on from step \(step).")
  }

  /// Whether this run has the configuration and data of the checkpoint.
  ///
  /// Nothing in the folder is changed before this check.
  ///
  /// - Throws: `ConfigurationError` for differences that are not given by `--set`,
  ///   `CheckpointError` for a checkpoint that lacks state of the run.
  private func agrees(_ checkpoint: Checkpoint) throws -> Bool {
    let configuration = resolved.configuration
    try resolved.requireSameResult(
      as: CheckpointCoding.configuration(of: checkpoint), ofCheckpoint: checkpoint.path)
    let identity = RunIdentity(configuration: configuration, digest: data.digest)
    if try !identity.hasData(of: checkpoint), resolved.origin(of: "data.path") != .override {
      throw ConfigurationError(
        place: resolved.origin(of: "data.path").description, key: "data.path",
        reason: "the data is not what \(checkpoint.path) was trained on",
        cure:
          "Name the run's dataset by --data, or say --set data.path=DIR to change it on purpose.")
    }
    try CheckpointCoding.requireRun(of: data.model(of: configuration), in: checkpoint)
    return try identity.matches(checkpoint)
  }
}
