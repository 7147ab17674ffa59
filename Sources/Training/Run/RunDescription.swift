import DialogueData
import Foundation
import TensorCore

/// What a run was made with, as checkpoints and results tell it.
enum RunDescription {
  /// The libraries that decide the last bits of a result.
  static var libraries: [String: String] {
    [
      "program_version": ProgramVersion.current,
      "blas_kernel": BLASLibrary.kernelName,
      "blas_version": BLASLibrary.configuration,
      "c_library": CLibrary.version,
    ]
  }

  /// The metadata of every checkpoint of a run.
  ///
  /// - Parameters:
  ///   - configuration: of the run.
  ///   - dataset: that it is trained on.
  ///   - digest: of the dataset.
  ///   - ranks: how many train.
  static func metadata(
    _ configuration: RunConfiguration, dataset: Dataset, digest: String, ranks: Int
  ) throws -> [String: String] {
    var metadata = libraries
    metadata[CheckpointCoding.Key.configuration] = configuration.yaml
    metadata[CheckpointCoding.Key.emotions] = String(
      decoding: try JSONEncoder().encode(dataset.manifest.emotions), as: UTF8.self)
    metadata[CheckpointCoding.Key.dataset] = digest
    metadata["dataset"] = dataset.manifest.name
    // With fixed micro-batches nothing depends on the ranks, so the file does not tell them.
    if configuration.train.microBatches == nil {
      metadata[CheckpointCoding.Key.ranks] = String(ranks)
    }
    return metadata
  }

  /// The machine and the ranks, for `result.json`.
  static func environment(of team: RankTeam) -> [String: String] {
    var environment = libraries
    let share = team.world.share
    environment["ranks"] = String(share.ranks)
    environment["nodes"] = String(share.nodes)
    environment["threads"] = String(share.threads)
    environment["cores"] = String(share.node.online)
    return environment
  }
}
