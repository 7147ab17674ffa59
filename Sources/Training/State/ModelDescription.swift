import Checkpointing
import Configuration
import DialogueData
import NeuralNet
import TensorCore

/// The metadata of a checkpoint that every rank builds the model from.
package struct ModelDescription: Codable {
  /// The run configuration as YAML.
  package let configuration: String
  /// The names of the emotions.
  package let emotions: [String]
  /// The raw width of every modality that the model reads.
  package let widths: [String: Int]

  /// Reads the description and checks it against the tensors.
  ///
  /// The metadata determine how much memory the model takes, so every parameter of the model must be
  /// in the checkpoint with its full shape before any is allocated.
  ///
  /// - Throws: `CheckpointError`, or `ConfigurationError` for the configuration inside.
  package init(of checkpoint: Checkpoint) throws {
    configuration = try checkpoint.text(CheckpointCoding.Key.configuration)
    emotions = try checkpoint.list(CheckpointCoding.Key.emotions)
    guard (2...DatasetManifest.largestEmotionCount).contains(emotions.count) else {
      throw CheckpointError(
        kind: .damaged, path: checkpoint.path,
        place: "metadata \(CheckpointCoding.Key.emotions)",
        reason: "there are \(emotions.count); a model has from 2 to "
          + "\(DatasetManifest.largestEmotionCount)", cure: "Use another checkpoint.")
    }
    var widths: [String: Int] = [:]
    for (modality, width) in try CheckpointCoding.widths(of: checkpoint) {
      try Self.check(width, of: modality, in: checkpoint)
      widths[modality.rawValue] = width
    }
    self.widths = widths
    let model = try model(of: runConfiguration(of: checkpoint.path), checkpoint.path)
    try CheckpointCoding.requireTensors(of: model, in: checkpoint)
  }

  private static func check(
    _ width: Int, of modality: Modality, in checkpoint: Checkpoint
  ) throws(CheckpointError) {
    guard !(1...DatasetManifest.largestWidth).contains(width) else { return }
    throw CheckpointError(
      kind: .damaged, path: checkpoint.path, place: "width of \(modality)",
      reason: "no model reads \(width) features of an utterance", cure: "Use another checkpoint.")
  }

  /// The configuration that the model was trained with.
  ///
  /// - Parameter path: the path of the checkpoint, for messages.
  /// - Throws: `ConfigurationError`.
  package func runConfiguration(of path: String) throws(ConfigurationError) -> RunConfiguration {
    try RunConfiguration(yaml: configuration, source: "\(path), config")
  }

  /// The model.
  ///
  /// - Parameters:
  ///   - configuration: ``runConfiguration(of:)``.
  ///   - path: the path of the checkpoint, for messages.
  /// - Throws: `CheckpointError` if the checkpoint has none of the configuration's modalities.
  package func model(
    of configuration: RunConfiguration, _ path: String
  ) throws(CheckpointError) -> any Model {
    let modalities = configuration.data.modalities.compactMap { modality in
      widths[modality.rawValue].map { ModalityWidth(modality, width: $0) }
    }
    guard !modalities.isEmpty else {
      throw CheckpointError(
        kind: .foreignFormat, path: path, place: "metadata",
        reason: "the model reads none of the modalities of its configuration",
        cure: "Name a checkpoint that dferc-dist has written.")
    }
    return configuration.model.options.makeModel(modalities, classCount: emotions.count)
  }
}
