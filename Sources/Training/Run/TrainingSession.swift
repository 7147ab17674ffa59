import Checkpointing
import Configuration
import JobControl
import RunRecords

/// How a `train` command starts, known to all ranks, and what rank 0 writes with.
package struct TrainingSession {
  /// How a run starts in its folder.
  package enum Start: Codable {
    /// Nothing is there: train from the beginning.
    case fresh
    /// Go on from a checkpoint.
    case resumed
    /// The run has ended before; this is its result.
    case finished(RunResult)
  }

  package let start: Start
  /// On rank 0, where the run keeps nothing.
  package let temporaryFolder: TemporaryRunFolder?
  /// On rank 0.
  private let opening: RunOpening?

  /// Opens the run folder on rank 0; collective.
  package init(
    _ request: RunRequest, _ resolved: ResolvedConfiguration, _ data: LoadedData,
    _ team: RankTeam
  ) throws {
    temporaryFolder = team.isRoot && request.isFastDevelopmentRun ? TemporaryRunFolder() : nil
    if let temporaryFolder { ErrorExit.register(temporaryFolder) }
    let path = temporaryFolder?.path ?? request.output ?? "runs/\(resolved.name)"
    var opening: RunOpening?
    start = try team.onRoot("opening the run folder") {
      let opened = try RunOpening(path, request, resolved, data, team)
      opening = opened
      return opened.start
    }
    self.opening = opening
  }

  /// On rank 0, the checkpoint that the run goes on from.
  package var checkpoint: Checkpoint? { opening?.checkpoint }
  /// On rank 0, unless the run has ended before.
  package var recorder: RunRecorder? { opening?.recorder }
  /// On rank 0.
  package var folderPath: String? { opening?.folder.path }
  /// On rank 0, the checkpoint of the best epoch.
  package var bestPath: String? {
    folderPath.map { CheckpointStore(folder: $0, keepLast: 1).bestPath }
  }

  /// The result of a run that has ended before; nil for a run that is to be trained.
  package var result: RunResult? {
    if case .finished(let result) = start { result } else { nil }
  }

  /// Removes the exit handlers of the run; it has ended in good order.
  package func unregisterExitHandlers(_ log: RunLog) {
    if let lock = opening?.folder.lock { ErrorExit.unregister(lock) }
    if let temporaryFolder { ErrorExit.unregister(temporaryFolder) }
    ErrorExit.unregister(log)
  }
}
