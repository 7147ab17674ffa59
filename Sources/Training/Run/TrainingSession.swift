import Checkpointing
import Configuration
import JobControl
import RunRecords

/// How a `train` command starts, known to all ranks; what it writes with, on rank 0.
package struct TrainingSession {
  /// What all ranks know of the opening.
  package enum Start: Codable {
    case fresh
    case resumed
    case finished(RunResult)
  }

  package let start: Start
  package let checkpoint: Checkpoint?
  package let recorder: RunRecorder?
  package let folderPath: String?
  /// On rank 0, the lock of the run folder.
  private let lock: RunLock?
  /// On rank 0, where the run keeps nothing.
  package let temporaryFolder: TemporaryRunFolder?

  /// Opens the run folder on rank 0; collective.
  package init(
    _ request: RunRequest, _ resolved: ResolvedConfiguration, _ data: LoadedData,
    _ team: RankTeam
  ) throws {
    temporaryFolder = team.isRoot && request.isFastDevelopmentRun ? TemporaryRunFolder() : nil
    if let temporaryFolder { ErrorExit.register(temporaryFolder) }
    let path = temporaryFolder?.path ?? request.output ?? "runs/\(resolved.name)"
    let opened = try team.onRoot("opening the run folder") {
      try Opened(path, request, resolved, data, team)
    }
    start = try team.shared(opened?.start ?? .fresh)
    checkpoint = opened?.checkpoint
    recorder = opened?.recorder
    folderPath = opened?.folder.path
    lock = opened?.folder.lock
  }

  /// The ending of a run whose folder holds its result; nil for a run that is to be trained.
  package var result: TrainingRun.Ending? {
    if case .finished(let result) = start { .finishedBefore(result) } else { nil }
  }

  /// Removes the exit handlers of the run; it has ended in good order.
  package func unregisterExitHandlers(_ log: RunLog) {
    if let lock { ErrorExit.unregister(lock) }
    if let temporaryFolder { ErrorExit.unregister(temporaryFolder) }
    ErrorExit.unregister(log)
  }

  /// The run folder as rank 0 has opened it.
  private struct Opened {
    let folder: RunFolder
    let start: Start
    let checkpoint: Checkpoint?
    let recorder: RunRecorder?

    init(
      _ path: String, _ request: RunRequest, _ resolved: ResolvedConfiguration,
      _ data: LoadedData, _ team: RankTeam
    ) throws {
      let log = team.log
      let configuration = resolved.configuration
      folder = try RunFolder(path: path)
      ErrorExit.register(folder.lock)
      let store = CheckpointStore(
        folder: folder.path, keepLast: configuration.checkpoint.keepLast,
        level: configuration.checkpoint.level)
      let opening = try RunOpening(
        request.resume, folder: folder, store: store, resolved: resolved, data: data, log: log)
      (start, checkpoint) =
        switch opening {
        case .fresh: (.fresh, nil)
        case .resumed(let checkpoint): (.resumed, checkpoint)
        case .finished(let result): (.finished(result), nil)
        }
      guard case .finished = opening else {
        try store.prepare()
        try log.open(folder.log)
        ErrorExit.register(log)
        try folder.write(configuration)
        let model = data.model(of: configuration)
        let description = try RunDescription.metadata(
          configuration, model: model, dataset: data.dataset, digest: data.digest,
          ranks: team.collective.size,
          goingOnFrom: checkpoint?.metadata ?? [:])
        let changes = Reproducibility.changes(
          from: checkpoint?.metadata ?? [:], to: description,
          microBatches: configuration.train.microBatches)
        for change in changes { log.logger.warning("\(change)") }
        let saver = CheckpointSaver(
          folder: folder, store: store, tracker: team.tracker, description: description,
          ifSaveFails: configuration.checkpoint.ifSaveFails, log: log)
        recorder = try RunRecorder(
          name: resolved.name, lossTerms: model.lossTerms, folder: folder, saver: saver, log: log,
          resumingAt: try checkpoint.map(CheckpointCoding.progress),
          logsSamples: request.logsSamples)
        return
      }
      recorder = nil
      try folder.close()
      ErrorExit.unregister(folder.lock)
    }
  }
}
