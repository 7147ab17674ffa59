import Configuration
import DialogueData
import Files
import JobControl
import NeuralNet
import TensorCore

/// The program, configuration, data and machine of a run, for checkpoints and results.
package enum RunDescription {
  /// The program and libraries that determine the last bits of a result.
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
  ///   - digest: the digest of the dataset.
  ///   - ranks: the number of ranks.
  ///   - previous: the metadata of the checkpoint that the run resumes from; empty for a new run.
  package static func metadata(
    _ configuration: RunConfiguration, model: any Model, dataset: Dataset, digest: String,
    ranks: Int, resumingFrom previous: [String: String]
  ) throws -> [String: String] {
    var metadata = libraries
    metadata[CheckpointCoding.Key.configuration] = configuration.yaml
    metadata[CheckpointCoding.Key.model] = configuration.model.name
    metadata[CheckpointCoding.Key.widths] = try JSONText.line(
      Dictionary(uniqueKeysWithValues: model.modalities.map { ($0.modality.rawValue, $0.width) }))
    metadata[CheckpointCoding.Key.emotions] = try JSONText.line(dataset.manifest.emotions)
    metadata[CheckpointCoding.Key.dataset] = digest
    metadata["dataset"] = dataset.manifest.name
    // With fixed micro-batches, bits do not depend on the rank count unless it is no power of two;
    // the first such count is kept in all later checkpoints.
    if configuration.train.microBatches == nil {
      metadata[CheckpointCoding.Key.ranks] = String(ranks)
    } else {
      let isUneven = ranks.nonzeroBitCount != 1
      let key = CheckpointCoding.Key.unevenRanks
      metadata[key] = previous[key] ?? (isUneven ? String(ranks) : nil)
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
