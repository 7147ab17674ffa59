import Checkpointing
import TensorCore

/// How a run starts in its folder; decided by rank 0, which alone looks into it.
enum RunOpening {
  /// Nothing is there: train from the beginning.
  case fresh
  /// Go on from a checkpoint.
  case resumed(Checkpoint)
  /// The run has ended before; this is its result.
  case finished(RunResult)

  /// What `--resume` means for a folder.
  ///
  /// - Parameters:
  ///   - request: of the command line.
  ///   - folder: open and locked.
  ///   - store: of the folder's checkpoints.
  ///   - resolved: the configuration of this call.
  ///   - log: hears of broken checkpoints that were passed over.
  /// - Throws: `TrainingError` if the folder has checkpoints and none may be used,
  ///   `ConfigurationError` if a checkpoint belongs to another configuration, `CheckpointError`.
  init(
    _ request: TrainRequest.Resume, folder: RunFolder, store: CheckpointStore,
    resolved: ResolvedConfiguration, log: RunLog
  ) throws {
    switch request {
    case .none:
      try Self.refuseCheckpoints(store)
      self = .fresh
    case .checkpoint(let path):
      self = .resumed(try Self.checked(Checkpoint(path: path), resolved))
    case .auto:
      let search = try store.newestValid()
      for failure in search.rejected { log.logger.warning("passed over: \(failure)") }
      guard let checkpoint = search.checkpoint else {
        try Self.refuseBroken(search)
        self = .fresh
        return
      }
      let isSame = try Self.configurationAgrees(checkpoint, resolved)
      if isSame, let result = folder.result() {
        self = .finished(result)
      } else {
        self = .resumed(checkpoint)
      }
    }
    if case .finished = self { return }
    try folder.removeResult()
  }

  private static func refuseCheckpoints(_ store: CheckpointStore) throws {
    guard try !store.steps().isEmpty || FileSystem.exists(store.bestPath) else { return }
    throw TrainingError(
      kind: .usage, place: store.folder, reason: "the folder holds the checkpoints of a run",
      cure: "Go on with it by --resume auto, or start another run with another --output.")
  }

  /// A folder whose checkpoints are all broken is not an empty one: to start again would overwrite
  /// what may still be rescued.
  private static func refuseBroken(_ search: CheckpointSearch) throws {
    guard let newest = search.rejected.first else { return }
    throw newest
  }

  private static func checked(
    _ checkpoint: Checkpoint, _ resolved: ResolvedConfiguration
  ) throws -> Checkpoint {
    _ = try configurationAgrees(checkpoint, resolved)
    return checkpoint
  }

  /// Whether this call would train exactly as the checkpoint's own run; differences that were not
  /// asked for by `--set` are thrown.
  private static func configurationAgrees(
    _ checkpoint: Checkpoint, _ resolved: ResolvedConfiguration
  ) throws -> Bool {
    let before = try CheckpointCoding.configuration(of: checkpoint)
    try resolved.requireSameResult(as: before, ofCheckpoint: checkpoint.path)
    return resolved.configuration.differences(from: before).isEmpty
  }
}
