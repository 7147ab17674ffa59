import Configuration
import DialogueData
import Files
import JobControl
import NeuralNet
import TensorCore

/// What a run was made with, as checkpoints and results tell it.
package enum RunDescription {
  /// The libraries that decide the last bits of a result.
  package static var libraries: [String: String] {
    [
      "program_version": ProgramVersion.current,
      "program_build": ProgramVersion.build,
      "blas_kernel": BLASLibrary.kernelName,
      "blas_version": BLASLibrary.configuration,
      "c_library": CLibrary.version,
    ]
  }

  /// The metadata of every checkpoint of a run.
  ///
  /// - Parameters:
  ///   - configuration: of the run.
  ///   - model: that is trained.
  ///   - dataset: that it is trained on.
  ///   - digest: of the dataset.
  ///   - ranks: how many train.
  ///   - before: the metadata of the checkpoint that the run goes on from.
  package static func metadata(
    _ configuration: RunConfiguration, model: any Model, dataset: Dataset, digest: String,
    ranks: Int, goingOnFrom before: [String: String]
  ) throws -> [String: String] {
    var metadata = libraries
    metadata[CheckpointCoding.Key.configuration] = configuration.yaml
    metadata[CheckpointCoding.Key.model] = configuration.model.name
    metadata[CheckpointCoding.Key.widths] = try JSONText.line(
      Dictionary(uniqueKeysWithValues: model.modalities.map { ($0.modality.rawValue, $0.width) }))
    metadata[CheckpointCoding.Key.emotions] = try JSONText.line(dataset.manifest.emotions)
    metadata[CheckpointCoding.Key.dataset] = digest
    metadata["dataset"] = dataset.manifest.name
    // With fixed micro-batches nothing depends on the ranks, so the file does not tell them; but for
    // uneven ones, which have left their mark even when others go on.
    if configuration.train.microBatches == nil {
      metadata[CheckpointCoding.Key.ranks] = String(ranks)
    } else {
      let isUneven = ranks.nonzeroBitCount != 1
      let key = CheckpointCoding.Key.unevenRanks
      metadata[key] = before[key] ?? (isUneven ? String(ranks) : nil)
    }
    return metadata
  }

  /// The machine and the ranks, for `result.json`.
  package static func environment(of team: RankTeam) -> [String: String] {
    var environment = libraries
    let share = team.world.share
    environment["ranks"] = String(share.ranks)
    environment["nodes"] = String(share.nodes)
    environment["threads"] = String(share.threads)
    environment["cores"] = String(share.node.online)
    return environment
  }
}
