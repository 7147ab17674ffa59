import Checkpointing
import Configuration
import DFERCModel
import DialogueData
import NeuralNet
import Optimizing
import TensorCore
import TestSupport
import Testing

@testable import Training

@Suite("Checkpoints of a run")
struct CheckpointCodingTests {
  /// Writes a checkpoint of a progress and reads the progress back.
  private func roundTrip(
    _ progress: TrainingProgress, dropping keys: [String] = []
  ) throws -> TrainingProgress {
    try withTemporaryFolder { folder in
      let snapshot = try SmallState().snapshot(progress)
      var draft = try CheckpointCoding.contents(snapshot, description: ["program_version": "1"])
      for key in keys { draft.metadata[key] = nil }
      let path = try withExtendedLifetime(snapshot) {
        try CheckpointStore(folder: folder.path, keepLast: 1).save(draft, step: 6)
      }
      return try CheckpointCoding.progress(of: Checkpoint(path: path))
    }
  }

  private var midEpoch: TrainingProgress {
    var progress = TrainingProgress()
    (progress.step, progress.epoch, progress.cursor) = (8, 1, 8)
    progress.validatedStep = 6
    progress.epochsWithoutImprovement = 2
    return progress
  }

  @Test("A progress reads back unchanged, validated or not")
  func progress() throws {
    var pending = midEpoch
    pending.validatedStep = nil
    for progress in [midEpoch, pending] { #expect(try roundTrip(progress) == progress) }
  }

  @Test("Checkpoints without `validated_step` count as validated between epochs only")
  func withoutValidatedStep() throws {
    var between = midEpoch
    (between.cursor, between.validatedStep) = (0, 8)
    #expect(try roundTrip(between, dropping: ["validated_step"]).validatedStep == 8)
    #expect(try roundTrip(midEpoch, dropping: ["validated_step"]).validatedStep == nil)
  }
}

/// The state of a very small model, with distinct values.
struct SmallState {
  let state: ModelState

  init(seed: UInt64 = 1) {
    var options = DFERCOptions()
    (options.width, options.alignmentWidth, options.contextHidden) = (8, 6, 4)
    let model = DFERC(
      options, modalities: [ModalityWidth(.text, width: 6), ModalityWidth(.audio, width: 4)],
      classCount: 3)
    let parameters = Parameters(layout: model.layout)
    parameters.initialize(seed: seed)
    let optimizer = AdamW(RunConfiguration(), layout: model.layout, shard: 0..<model.layout.count)
    for index in 0..<model.layout.count {
      optimizer.firstMoment.elements[index] = Float(index) / 1024 + Float(seed)
      optimizer.secondMoment.elements[index] = Float(index) / 512 + Float(seed)
    }
    optimizer.updateCount = 7
    let buffers = RunningBuffers(layout: model.runningBuffers)
    buffers.set("prototype_sums", (0..<18).map { Double($0) / 3 })
    buffers.set("counts", [3, 0, 5] as [Int64])
    state = ModelState(
      model: model, parameters: parameters, buffers: buffers, optimizer: optimizer)
  }

  /// A copy of the present state.
  func snapshot(_ progress: TrainingProgress) throws -> StateSnapshot {
    let snapshot = StateSnapshot(of: state.model)
    try state.copy(to: snapshot, progress)
    return snapshot
  }
}
