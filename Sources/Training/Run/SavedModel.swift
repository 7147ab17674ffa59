import Checkpointing
import Configuration
import DialogueData
import JobControl
import NeuralNet
import TensorCore

/// A trained model, replicated on every rank for `evaluate` and `predict`.
package struct SavedModel {
  package let model: any Model
  package let parameters: Parameters
  package let buffers: RunningBuffers
  package let emotions: [String]
  package let configuration: RunConfiguration

  /// Reads a checkpoint on rank 0 and broadcasts the model; collective.
  package init(checkpoint path: String, team: RankTeam) throws {
    try team.tracker.enter(.open)
    var opened: Checkpoint?
    let description = try team.onRoot("reading the checkpoint") {
      let checkpoint = try Checkpoint(path: path)
      opened = checkpoint
      return try ModelDescription(of: checkpoint)
    }
    configuration = try description.runConfiguration(of: path)
    emotions = description.emotions
    model = try description.model(of: configuration, path)
    parameters = Parameters(layout: model.layout)
    buffers = RunningBuffers(layout: model.runningBuffers)
    let state = ModelState(model: model, parameters: parameters, buffers: buffers)
    try team.onRoot("reading the checkpoint") {
      if let opened { try CheckpointCoding.restore(state, from: opened) }
    }
    try state.broadcast(over: team.collective)
  }

  /// Reads a split and checks it against the model and between ranks; collective.
  ///
  /// - Throws: `DataError` if the emotions or widths are not those the model was trained with,
  ///   `TrainingError` if ranks have read different data; on all ranks.
  package func split(
    _ name: SplitName, of folder: String, allowsMissingEmotion: Bool, team: RankTeam
  ) throws -> Split {
    try team.tracker.enter(.load)
    let (split, digest) = try team.together("reading the data") {
      try read(name, of: folder, allowsMissingEmotion: allowsMissingEmotion) {
        team.world.heartbeat.beat()
      }
    }
    try team.requireSame([("dataset", digest)])
    try team.tracker.enter(.evaluate)
    return split
  }

  private func read(
    _ name: SplitName, of folder: String, allowsMissingEmotion: Bool,
    whileReading: () throws -> Void
  ) throws -> (Split, digest: String) {
    let options = ReadingOptions(
      modalities: model.modalities.map(\.modality),
      allowsMissingEmotion: allowsMissingEmotion)
    let dataset = try Dataset(folder: folder, options: options)
    guard dataset.manifest.emotions == emotions else {
      throw DataError(
        file: "\(folder)/dataset.json", place: "emotions",
        reason: "the model was trained with others: \(emotions.joined(separator: ", "))",
        cure: "Use the dataset of the training run, or train on this one.")
    }
    for modality in model.modalities {
      let width = dataset.manifest.modalities[modality.modality]
      guard width != modality.width else { continue }
      throw DataError(
        file: "\(folder)/dataset.json", place: "modalities, \(modality.modality)",
        reason: "the model reads \(modality.width) features, "
          + "the dataset has \(width.map(String.init) ?? "none")",
        cure: "Use features made as those of the training run.")
    }
    let split = try dataset.split(name, whileReading: whileReading)
    return (split, dataset.digest(of: [split]))
  }
}
