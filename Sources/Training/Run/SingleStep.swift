import Configuration
import DataParallel
import DialogueData
import Files
import JobControl
import NeuralNet
import TensorCore

/// One forward and backward pass over chosen dialogues, whose outputs are kept.
package struct SingleStep {
  private let model: any Model
  private let configuration: RunConfiguration
  private let team: RankTeam
  private let engine: GradientEngine

  /// Allocates the model with the initial values of the configuration's seed; collective.
  package init(model: any Model, configuration: RunConfiguration, team: RankTeam) throws {
    self.model = model
    self.configuration = configuration
    self.team = team
    // Rank 0 writes the whole gradient.
    var options = StepOptions(configuration)
    options.isSharded = false
    engine = try GradientEngine(
      model: model, seed: configuration.train.seed, options: options, team: team)
  }

  /// The running buffers, which ``run(_:of:appliesDropout:)`` updates with its batch.
  package var buffers: RunningBuffers { engine.buffers }

  /// Replaces parameters and running buffers by those of a safetensors file.
  ///
  /// - Throws: `SafetensorsError` if a parameter is absent or has another shape.
  package func readWeights(_ path: String) throws {
    let file = try SafetensorsFile(path: path)
    for parameter in model.layout.parameters {
      try file.requireShape(parameter.shape, of: parameter.name)
      try file.copyFloats(parameter.name, to: engine.parameters.tensor(of: parameter).elements)
    }
    try file.copyRunningBuffers(to: engine.buffers)
  }

  /// A digest of parameters and running buffers.
  package var digest: String {
    let state = ModelState(model: model, parameters: engine.parameters, buffers: engine.buffers)
    var digest = StableDigest()
    for tensor in state.replicaDigests { digest.add(Int(truncatingIfNeeded: tensor.value)) }
    return digest.hexadecimal
  }

  /// Computes the losses, the gradients and the predictions; collective.
  ///
  /// - Parameters:
  ///   - dialogues: indices of dialogues in file order; the rows of the outcome follow this list.
  ///   - split: the split that the indices refer to.
  ///   - appliesDropout: whether the model's dropout is applied, with the masks of step 0.
  package func run(_ dialogues: [Int], of split: Split, appliesDropout: Bool) throws -> StepOutcome
  {
    let batch = GlobalBatch(
      dialogues: dialogues, dialogueLengths: split.dialogueLengths,
      microBatchCount: configuration.train.microBatches ?? team.collective.size)
    let dropout = Dropout.Randomness(of: model, seed: configuration.train.seed, step: 0)
    try engine.run(batch, of: split, randomness: appliesDropout ? dropout : nil)
    engine.buffers.commit()
    return StepOutcome(
      model: model, rows: try gatherRows(batch, of: split), loss: engine.loss,
      lossParts: Array(engine.lossParts), buffers: engine.buffers,
      gradients: engine.gradients.elements)
  }

  /// Gathers the predictions of all ranks in the order of the batch's dialogues; collective.
  ///
  /// - Returns: the logits and extras of each row. `[N][K + E]`
  private func gatherRows(_ batch: GlobalBatch, of split: Split) throws -> [[Float]] {
    let width = model.classCount + model.extras.reduce(0) { $0 + $1.columnCount }
    var starts: [Int: Int] = [:]
    var next = 0
    for dialogue in batch.dialogues {
      starts[dialogue] = next
      next += split.dialogueLengths[dialogue]
    }
    // A row is zero on all ranks but one, so this sum is exact.
    var table = [Float](repeating: 0, count: batch.utteranceCount * width)
    let loader = engine.loader
    for (position, dialogue) in loader.dialogues.enumerated() {
      for (offset, row) in loader.rows(of: position).enumerated() {
        let target = ((starts[dialogue] ?? 0) + offset) * width
        table.replaceSubrange(target..<target + width, with: values(ofRow: row))
      }
    }
    try table.withUnsafeMutableBufferPointer { try team.collective.allReduceSum($0) }
    return (0..<batch.utteranceCount).map { Array(table[$0 * width..<($0 + 1) * width]) }
  }

  private func values(ofRow row: Int) -> [Float] {
    guard let prediction = engine.prediction else { return [] }
    let logits = prediction.logits.value
    return (0..<logits.columns).map { logits.row(row)[$0] }
      + prediction.extras.map { $0.pointer[row] }
  }
}

/// The outputs of a single step.
package struct StepOutcome {
  package let model: any Model
  /// The logits and extras of each row. `[N][K + E]`
  package let rows: [[Float]]
  package let loss: Double
  /// The unweighted parts of the loss, in the order of the model's terms.
  package let lossParts: [Double]
  package let buffers: RunningBuffers
  package let gradients: UnsafeMutableBufferPointer<Float>

  /// The loss and its unweighted parts, by the names under which they are printed.
  package var losses: [String: Double] {
    var losses = ["loss": loss]
    for (term, part) in zip(model.lossTerms, lossParts) { losses[term.name] = part }
    return losses
  }

  /// Writes logits, extras, running buffers with means in place of sums, and all gradients.
  package func write(to path: String) throws {
    var writer = SafetensorsWriter()
    writer.add("logits", columns(0..<model.classCount), shape: [rows.count, model.classCount])
    addExtras(to: &writer)
    buffers.add(to: &writer, sums: false)
    for parameter in model.layout.parameters {
      writer.add(
        "gradient.\(parameter.name)", Array(gradients[parameter.range]), shape: parameter.shape)
    }
    try writer.write(toFile: path)
  }

  private func addExtras(to writer: inout SafetensorsWriter) {
    var column = model.classCount
    for extra in model.extras {
      let names =
        extra.components.isEmpty
        ? [extra.tensor] : extra.components.map { "\(extra.tensor).\($0)" }
      for name in names {
        writer.add(name, columns(column..<column + 1), shape: [rows.count])
        column += 1
      }
    }
  }

  private func columns(_ range: Range<Int>) -> [Float] { rows.flatMap { $0[range] } }
}
