import Checkpointing
import Configuration
import Files
import Foundation
import JobControl
import RunRecords
import TensorCore

/// How a run starts in its folder; decided by rank 0, which alone looks into it.
package enum RunOpening {
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
  ///   - data: of this call.
  ///   - log: gets a warning for each broken checkpoint that is passed over.
  /// - Throws: `TrainingError` if the folder has checkpoints and none may be used,
  ///   `ConfigurationError` if a checkpoint belongs to another configuration, `CheckpointError`.
  package init(
    _ request: RunRequest.Resume, folder: RunFolder, store: CheckpointStore,
    resolved: ResolvedConfiguration, data: LoadedData, log: RunLog
  ) throws {
    switch request {
    case .none:
      try Self.refuseCheckpoints(store)
      self = .fresh
    case .checkpoint(let path):
      let checkpoint = try Checkpoint(path: path)
      _ = try Self.agrees(checkpoint, resolved, data)
      try Self.giveUpLaterSteps(than: checkpoint, store, log)
      self = .resumed(checkpoint)
    case .auto:
      let search = try store.newestValid()
      for failure in search.rejected { log.logger.warning("passed over: \(failure)") }
      guard let checkpoint = search.checkpoint else {
        try Self.refuseBroken(search)
        self = .fresh
        return
      }
      let isSame = try Self.agrees(checkpoint, resolved, data)
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

  /// Removes the checkpoints of the course that a run leaves when it goes back to an earlier step,
  /// so that `--resume auto` does not return to it.
  private static func giveUpLaterSteps(
    than checkpoint: Checkpoint, _ store: CheckpointStore, _ log: RunLog
  ) throws {
    let folder = FileSystem.parent(of: checkpoint.path)
    let isOwn = [store.folder, store.stepFolder].contains { FileSystem.isSame($0, folder) }
    guard isOwn else { return try refuseCheckpoints(store) }
    let step = try checkpoint.count(CheckpointCoding.Key.step)
    for later in try store.steps() where later > step {
      try FileSystem.remove(store.path(ofStep: later))
      log.logger.warning(
        "removed the checkpoint of step \(later): the run goes on from step \(step).")
    }
    try giveUpLaterBest(than: step, store, log)
  }

  /// Removes the best checkpoint if the course that is left came to it after a step.
  private static func giveUpLaterBest(
    than step: Int, _ store: CheckpointStore, _ log: RunLog
  ) throws {
    guard let best = try? store.best(), try best.integer(CheckpointCoding.Key.step) > step
    else { return }
    try FileSystem.remove(store.bestPath)
    log.logger.warning(
      "removed the best checkpoint, of a later step: the run goes on from step \(step).")
  }

  /// Whether this call would train exactly as the checkpoint's own run.
  ///
  /// Nothing of the folder has been changed yet, so what does not fit leaves it as it is.
  ///
  /// - Throws: `ConfigurationError` for differences that were not asked for by `--set`,
  ///   `CheckpointError` where the run cannot go on from the checkpoint.
  private static func agrees(
    _ checkpoint: Checkpoint, _ resolved: ResolvedConfiguration, _ data: LoadedData
  ) throws -> Bool {
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
