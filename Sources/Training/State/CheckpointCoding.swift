import Checkpointing
import Configuration
import Files
import Foundation
import NeuralNet
import RunRecords
import TensorCore

/// Converts the state of a run to the tensors and metadata of a checkpoint and back.
package enum CheckpointCoding {
  package enum Key {
    package static let step = "step"
    package static let epoch = "epoch"
    package static let cursor = "cursor"
    package static let validatedStep = "validated_step"
    package static let updates = "optimizer_updates"
    package static let configuration = "config"
    package static let model = "model"
    package static let widths = "widths"
    package static let emotions = "emotions"
    package static let best = "best"
    package static let bestEpoch = "best_epoch"
    package static let stale = "epochs_without_improvement"
    package static let dataset = "dataset_digest"
    package static let skipped = "skipped_steps"
    package static let skippedInARow = "skipped_in_a_row"
    package static let ranks = "ranks"
    package static let unevenRanks = "uneven_ranks"
  }

  package static let firstMoment = "optimizer.exp_avg."
  package static let secondMoment = "optimizer.exp_avg_sq."
}

// MARK: - Writing

extension CheckpointCoding {
  /// The contents of a checkpoint; the snapshot must not change until they are written.
  ///
  /// - Parameters:
  ///   - snapshot: the state and progress of the run.
  ///   - description: metadata that every checkpoint of the run has.
  package static func contents(
    _ snapshot: StateSnapshot, description: [String: String]
  ) throws -> CheckpointContents {
    var contents = CheckpointContents()
    contents.metadata = description
    try addProgress(snapshot.progress, to: &contents)
    contents.set(Key.updates, integer: snapshot.updateCount)
    add(snapshot.parameters, "", snapshot, to: &contents)
    add(snapshot.firstMoment, firstMoment, snapshot, to: &contents)
    add(snapshot.secondMoment, secondMoment, snapshot, to: &contents)
    if snapshot.buffers.layout.isPersistent { snapshot.buffers.add(to: &contents) }
    return contents
  }

  private static func addProgress(
    _ progress: TrainingProgress, to contents: inout CheckpointContents
  ) throws {
    contents.set(Key.step, integer: progress.step)
    contents.set(Key.epoch, integer: progress.epoch)
    contents.set(Key.cursor, integer: progress.cursor)
    contents.set(Key.stale, integer: progress.epochsWithoutImprovement)
    contents.set(Key.skipped, integer: progress.skippedSteps)
    contents.set(Key.skippedInARow, integer: progress.skippedInARow)
    if let step = progress.validatedStep { contents.set(Key.validatedStep, integer: step) }
    guard let best = progress.best else { return }
    contents.set(Key.bestEpoch, integer: best.epoch)
    contents.set(Key.best, text: try JSONText.document(best.validation))
  }

  private static func add(
    _ buffer: FloatBuffer, _ prefix: String, _ snapshot: StateSnapshot,
    to contents: inout CheckpointContents
  ) {
    for parameter in snapshot.model.layout.parameters {
      let values = UnsafeBufferPointer(rebasing: buffer.elements[parameter.range])
      contents.add(prefix + parameter.name, values, shape: parameter.shape)
    }
  }
}

// MARK: - Reading

extension CheckpointCoding {
  /// Copies the tensors of a checkpoint, except sharded moments, into a state of the same shapes.
  ///
  /// - Throws: `CheckpointError` or `SafetensorsError` naming the first tensor that is absent or has
  ///   another shape.
  package static func restore(_ state: ModelState, from checkpoint: Checkpoint) throws {
    let layout = state.model.layout
    try copy(state.parameters.values, "", layout, from: checkpoint)
    try checkpoint.tensors.copyRunningBuffers(to: state.buffers)
    guard let optimizer = state.optimizer else { return }
    optimizer.updateCount = try checkpoint.count(Key.updates)
    guard state.shards == nil else { return }
    try copy(optimizer.firstMoment, firstMoment, layout, from: checkpoint)
    try copy(optimizer.secondMoment, secondMoment, layout, from: checkpoint)
  }

  /// The whole of one moment of the optimizer.
  ///
  /// - Parameter prefix: ``firstMoment`` or ``secondMoment``.
  /// - Throws: `CheckpointError` naming the first tensor that is absent or has another shape.
  package static func moment(
    _ prefix: String, of layout: ParameterLayout, from checkpoint: Checkpoint
  ) throws(CheckpointError) -> FloatBuffer {
    let buffer = FloatBuffer(count: layout.count)
    try copy(buffer, prefix, layout, from: checkpoint)
    return buffer
  }

  private static func copy(
    _ buffer: FloatBuffer, _ prefix: String, _ layout: ParameterLayout, from checkpoint: Checkpoint
  ) throws(CheckpointError) {
    for parameter in layout.parameters {
      try checkpoint.copyFloats(
        prefix + parameter.name, shape: parameter.shape,
        to: UnsafeMutableBufferPointer(rebasing: buffer.elements[parameter.range]))
    }
  }

  /// The progress of the run at a checkpoint.
  ///
  /// - Throws: `CheckpointError` for missing or malformed metadata.
  package static func progress(of checkpoint: Checkpoint) throws -> TrainingProgress {
    var progress = TrainingProgress()
    progress.step = try checkpoint.count(Key.step)
    progress.epoch = try checkpoint.count(Key.epoch)
    progress.cursor = try checkpoint.count(Key.cursor)
    progress.epochsWithoutImprovement = try checkpoint.count(Key.stale)
    progress.validatedStep = try validatedStep(of: checkpoint, progress)
    // Absent in checkpoints of the first program versions, which did not skip steps.
    if checkpoint.metadata[Key.skipped] != nil {
      progress.skippedSteps = try checkpoint.count(Key.skipped)
      progress.skippedInARow = try checkpoint.count(Key.skippedInARow)
    }
    if checkpoint.metadata[Key.best] != nil {
      let report = try checkpoint.text(Key.best)
      progress.best = TrainingProgress.Best(
        epoch: try checkpoint.count(Key.bestEpoch),
        validation: try decode(report, of: checkpoint))
    }
    return progress
  }

  /// The step of the last validation before a checkpoint; nil if there was none.
  ///
  /// If the key is absent, as in checkpoints of the first program versions, the last step was
  /// validated exactly when a new epoch begins at the checkpoint.
  private static func validatedStep(
    of checkpoint: Checkpoint, _ progress: TrainingProgress
  ) throws(CheckpointError) -> Int? {
    guard checkpoint.metadata[Key.validatedStep] != nil else {
      return progress.cursor == 0 ? progress.step : nil
    }
    return try checkpoint.count(Key.validatedStep)
  }

  private static func decode(
    _ report: String, of checkpoint: Checkpoint
  ) throws -> ClassificationReport {
    do { return try JSONDecoder().decode(ClassificationReport.self, text: report.utf8) } catch {
      throw CheckpointError(
        kind: .damaged, path: checkpoint.path, place: "metadata \(Key.best)",
        reason: "it is not a report", cure: "Use another checkpoint.")
    }
  }

  /// The configuration that a checkpoint was trained with.
  package static func configuration(of checkpoint: Checkpoint) throws -> RunConfiguration {
    try RunConfiguration(
      yaml: try checkpoint.text(Key.configuration), source: "\(checkpoint.path), config")
  }

  /// Checks that a checkpoint has the tensors of a model, before memory is allocated for them.
  ///
  /// - Throws: `CheckpointError` naming the first one that is absent or has another shape.
  package static func requireTensors(
    of model: any Model, in checkpoint: Checkpoint
  ) throws(CheckpointError) {
    for parameter in model.layout.parameters {
      try checkpoint.require(parameter.name, shape: parameter.shape)
    }
    let buffers = model.runningBuffers
    guard buffers.isPersistent else { return }
    // Absent sums are computed from the mean and the counts.
    let sums = Set(buffers.means.map { buffers.sums(of: $0).name })
    for buffer in buffers.buffers where !sums.contains(buffer.name) {
      try checkpoint.require(buffer.name, shape: buffer.shape)
    }
    for mean in buffers.means {
      try checkpoint.require(mean.name, shape: buffers.sums(of: mean).shape)
    }
  }

  /// Checks that a checkpoint has all tensors and metadata that resuming a run of a model needs.
  ///
  /// - Throws: `CheckpointError` or `SafetensorsError` naming the first missing or malformed item.
  package static func requireRun(of model: any Model, in checkpoint: Checkpoint) throws {
    try requireTensors(of: model, in: checkpoint)
    for prefix in ["", firstMoment, secondMoment] {
      for parameter in model.layout.parameters {
        try checkpoint.requireFloats(prefix + parameter.name, shape: parameter.shape)
      }
    }
    try checkpoint.tensors.copyRunningBuffers(to: RunningBuffers(layout: model.runningBuffers))
    _ = try progress(of: checkpoint)
    _ = try checkpoint.count(Key.updates)
  }

  /// The raw width of every modality that the model of a checkpoint reads.
  ///
  /// - Throws: `CheckpointError` for malformed widths.
  package static func widths(
    of checkpoint: Checkpoint
  ) throws(CheckpointError) -> [Modality: Int] {
    var widths: [Modality: Int] = [:]
    let named = try namedWidths(of: checkpoint)
    for modality in Modality.allCases {
      widths[modality] = named?[modality.rawValue] ?? projectedWidth(modality, in: checkpoint)
    }
    return widths
  }

  private static func namedWidths(
    of checkpoint: Checkpoint
  ) throws(CheckpointError) -> [String: Int]? {
    guard let text = checkpoint.metadata[Key.widths] else { return nil }
    do { return try JSONDecoder().decode([String: Int].self, text: text.utf8) } catch {
      throw CheckpointError(
        kind: .damaged, path: checkpoint.path, place: "metadata \(Key.widths)",
        reason: "it is not a list of widths", cure: "Use another checkpoint.")
    }
  }

  /// The width in the shape of the input projection, for checkpoints of the first program versions,
  /// which have no metadata of widths.
  private static func projectedWidth(_ modality: Modality, in checkpoint: Checkpoint) -> Int? {
    let shape = checkpoint.tensors.entry("input.\(modality).weight")?.shape
    return shape.flatMap { $0.count == 2 ? $0[1] : nil }
  }
}
