import Checkpointing
import Configuration

/// What the result of a run follows from: runs that agree in it do the same.
package struct RunIdentity {
  /// Of which only the keys that change the result count.
  package let configuration: RunConfiguration
  /// The digest of the dataset.
  package let digest: String

  /// Whether a checkpoint comes from a run that does the same as this one.
  ///
  /// - Throws: `CheckpointError` or `ConfigurationError` for metadata that are absent or not of their
  ///   form.
  package func matches(_ checkpoint: Checkpoint) throws -> Bool {
    let other = try CheckpointCoding.configuration(of: checkpoint)
    return try hasData(of: checkpoint) && configuration.differences(from: other).isEmpty
  }

  /// Whether a checkpoint comes from a run on the same data.
  ///
  /// - Throws: `CheckpointError` if it does not tell.
  package func hasData(of checkpoint: Checkpoint) throws -> Bool {
    try checkpoint.text(CheckpointCoding.Key.dataset) == digest
  }
}
