import Configuration
import DFERCModel
import Files
import NeuralNet
import Optimizing
import RunRecords
import TensorCore

@testable import Checkpointing
@testable import Training

/// A small model with all that a checkpoint of a training run holds.
enum SmallModel {
  static let emotions = ["calm", "joy"]
  static let widths: [Modality: Int] = [.text: 2, .audio: 1]

  static let configuration: RunConfiguration = {
    var configuration = RunConfiguration()
    configuration.data.modalities = [.text, .audio]
    var options = DFERCOptions()
    (options.width, options.alignmentWidth, options.contextHidden) = (3, 4, 2)
    configuration.model = ChosenModel(options)
    return configuration
  }()

  /// A state with an optimizer, all of whose numbers are small.
  static func state() -> ModelState {
    let modalities = widths.sorted { $0.value > $1.value }.map { ModalityWidth($0, width: $1) }
    let model = configuration.model.options.makeModel(modalities, classCount: emotions.count)
    let parameters = Parameters(layout: model.layout)
    parameters.initialize(seed: 1)
    return ModelState(
      model: model, parameters: parameters,
      buffers: RunningBuffers(layout: model.runningBuffers),
      optimizer: AdamW(configuration, layout: model.layout, shard: 0..<model.layout.count))
  }

  private static func snapshot() throws -> StateSnapshot {
    var progress = TrainingProgress()
    progress.step = 7
    progress.epoch = 1
    progress.cursor = 3
    var matrix = ConfusionMatrix(classCount: emotions.count)
    matrix.record(truth: 0, predicted: 1)
    _ = progress.score(ClassificationReport(matrix, emotions: emotions), epoch: 1)
    let state = state()
    let snapshot = StateSnapshot(of: state.model)
    try state.copy(to: snapshot, progress)
    return snapshot
  }

  private static func draft(_ snapshot: StateSnapshot) throws -> CheckpointContents {
    var draft = try CheckpointCoding.contents(snapshot, description: [:])
    draft.set(CheckpointCoding.Key.emotions, text: try JSONText.line(emotions))
    draft.set(CheckpointCoding.Key.configuration, text: configuration.yaml)
    draft.set(CheckpointCoding.Key.dataset, text: "0123456789abcdef")
    return draft
  }

  /// The frame of a checkpoint.
  static func checkpoint() throws -> [UInt8] {
    var bytes: [UInt8] = []
    let snapshot = try snapshot()
    try withExtendedLifetime(snapshot) {
      try draft(snapshot).write(level: 3, path: "draft") { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  /// A weights file as `checkpoint export` writes it.
  static func weights() throws -> [UInt8] {
    var writer = SafetensorsWriter(metadata: ["format": "pt"])
    let state = state()
    for parameter in state.model.layout.parameters {
      let values = Array(state.parameters.values.elements[parameter.range])
      writer.add(parameter.name, values, shape: parameter.shape)
    }
    writer.add("prototypes", [Float](repeating: 0.5, count: 8), shape: [2, 4])
    writer.add("counts", [3, 5] as [Int64], shape: [2])
    var bytes: [UInt8] = []
    try writer.write { bytes.append(contentsOf: $0) }
    return bytes
  }
}
