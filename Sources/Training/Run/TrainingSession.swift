import Checkpointing
import Configuration
import JobControl
import RunRecords

/// The start of a run on all ranks, and the opened run folder on rank 0.
package struct TrainingSession {
  /// How a run starts in its folder.
  package enum Start: Codable {
    /// Trains from the first step.
    case fresh
    /// Resumes from a checkpoint.
    case resumed
    /// The run has finished already, with this result.
    case finished(RunResult)
  }

  package let start: Start
  /// On rank 0, the folder of a run that keeps no files; nil otherwise.
  package let temporaryFolder: TemporaryRunFolder?
  /// Nil on ranks other than 0.
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

  /// On rank 0, the checkpoint to resume from.
  package var checkpoint: Checkpoint? { opening?.checkpoint }
  /// On rank 0, the recorder of a run that has not finished yet.
  package var recorder: RunRecorder? { opening?.recorder }
  /// On rank 0, the path of the run folder.
  package var folderPath: String? { opening?.folder.path }
  /// On rank 0, the checkpoint of the best epoch.
  package var bestPath: String? {
    folderPath.map { CheckpointStore(folder: $0, keepLast: 1).bestPath }
  }

  /// The result of a run that has finished already; nil for a run to be trained.
  package var result: RunResult? {
    if case .finished(let result) = start { result } else { nil }
  }

  /// Unregisters the exit handlers of a run that has ended without an error.
  package func unregisterExitHandlers(_ log: RunLog) {
    if let lock = opening?.folder.lock { ErrorExit.unregister(lock) }
    if let temporaryFolder { ErrorExit.unregister(temporaryFolder) }
    ErrorExit.unregister(log)
  }
}
