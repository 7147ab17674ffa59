import Checkpointing
import Configuration

/// The configuration and data of a run, which determine its result.
package struct RunIdentity {
  /// The configuration; only the keys that change the result are compared.
  package let configuration: RunConfiguration
  /// The digest of the dataset.
  package let digest: String

  /// Whether a checkpoint is of a run with the same configuration and data.
  ///
  /// - Throws: `CheckpointError` or `ConfigurationError` for missing or malformed metadata.
  package func matches(_ checkpoint: Checkpoint) throws -> Bool {
    let other = try CheckpointCoding.configuration(of: checkpoint)
    return try hasData(of: checkpoint) && configuration.differences(from: other).isEmpty
  }

  /// Whether a checkpoint is of a run with the same data.
  ///
  /// - Throws: `CheckpointError` if the digest of the data is missing.
  package func hasData(of checkpoint: Checkpoint) throws -> Bool {
    try checkpoint.text(CheckpointCoding.Key.dataset) == digest
  }
}
