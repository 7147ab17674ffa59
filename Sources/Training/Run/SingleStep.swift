import Configuration
import DFERCModel
import DataParallel
import DialogueData
import Files
import JobControl
import NeuralNet
import TensorCore

/// One forward and backward pass over chosen dialogues, with everything that it computed.
package struct SingleStep {
  private let model: DFERC
  private let configuration: RunConfiguration
  private let team: RankTeam
  private let engine: GradientEngine

  /// Collective.
  package init(model: DFERC, configuration: RunConfiguration, team: RankTeam) throws {
    self.model = model
    self.configuration = configuration
    self.team = team
    // The whole gradient is written out.
    var sharing = StepOptions(configuration)
    sharing.isSharded = false
    engine = try GradientEngine(
      model: model, seed: configuration.train.seed, sharing: sharing, team: team)
  }

  /// The prototypes, which a run of the step takes in its batch with.
  package var prototypes: EmotionPrototypes { engine.prototypes }

  /// Replaces parameters and prototypes by those of a weights file.
  ///
  /// - Throws: `SafetensorsError` if a parameter is absent or has another shape.
  package func readWeights(_ path: String) throws {
    let file = try SafetensorsFile(path: path)
    for parameter in model.layout.parameters {
      try file.requireShape(parameter.shape, of: parameter.name)
      try file.copyFloats(parameter.name, to: engine.parameters.tensor(of: parameter).elements)
    }
    guard model.options.hasPrototypes, let state = try file.prototypeState(engine.prototypes)
    else { return }
    engine.prototypes.restore(sums: state.sums, counts: state.counts)
  }

  /// A digest of parameters and prototypes.
  package var digest: String {
    let state = ModelState(
      model: model, parameters: engine.parameters, prototypes: engine.prototypes, optimizer: nil)
    var digest = StableDigest()
    for tensor in state.replicaDigests(includesMoments: false) {
      digest.add(Int(truncatingIfNeeded: tensor.value))
    }
    return digest.hexadecimal
  }

  /// Computes the losses, the gradients and the predictions; collective.
  ///
  /// - Parameters:
  ///   - dialogues: indices in file order; the rows of the outcome have this order.
  ///   - split: the split they belong to.
  ///   - appliesDropout: whether the configuration's dropout is applied, with the masks of step 0.
  package func run(_ dialogues: [Int], of split: Split, appliesDropout: Bool) throws -> StepOutcome
  {
    let batch = GlobalBatch(
      dialogues: dialogues, dialogueLengths: split.dialogueLengths,
      microBatchCount: configuration.train.microBatches ?? team.collective.size)
    let randomness = appliesDropout ? Dropout.Randomness(configuration, step: 0) : nil
    let parts = try engine.run(batch, of: split, randomness: randomness)
    engine.prototypes.commit()
    return StepOutcome(
      model: model, rows: try gatherRows(batch, of: split), parts: parts,
      prototypes: engine.prototypes, gradients: engine.gradients.elements)
  }

  /// Brings the predictions of all ranks together, in the order of the batch's dialogues.
  ///
  /// - Returns: for each row: logits, consistency, contributions.
  private func gatherRows(_ batch: GlobalBatch, of split: Split) throws -> [[Float]] {
    let options = model.options
    let width = options.emotionCount + 1 + options.modalities.count
    var starts: [Int: Int] = [:]
    var next = 0
    for dialogue in batch.dialogues {
      starts[dialogue] = next
      next += split.dialogueLengths[dialogue]
    }
    // Every row is computed by one rank and zero on all others, so this sum is exact.
    var table = [Float](repeating: 0, count: batch.utteranceCount * width)
    let pass = engine.pass
    for (position, dialogue) in pass.dialogues.enumerated() {
      for (offset, row) in pass.rows(of: position).enumerated() {
        let target = ((starts[dialogue] ?? 0) + offset) * width
        let values = Self.values(of: pass.prediction, row: row, options: options)
        table.replaceSubrange(target..<target + width, with: values)
      }
    }
    try table.withUnsafeMutableBufferPointer { try team.collective.allReduceSum($0) }
    return (0..<batch.utteranceCount).map { Array(table[$0 * width..<($0 + 1) * width]) }
  }

  private static func values(
    of prediction: DFERC.Prediction, row: Int, options: DFERCOptions
  ) -> [Float] {
    let logits = prediction.logits.value
    let scores = UnsafeBufferPointer(start: logits.row(row), count: logits.columns)
    return Array(scores) + [prediction.consistency.pointer[row]]
      + options.modalities.indices.map { prediction.contribution(modality: $0, row: row) }
  }
}

/// What a single step computed.
package struct StepOutcome {
  package let model: DFERC
  /// For each row: logits, consistency, contributions.
  package let rows: [[Float]]
  package let parts: LossParts
  package let prototypes: EmotionPrototypes
  package let gradients: UnsafeMutableBufferPointer<Float>

  /// The loss and its unweighted parts as they are printed.
  package struct Losses: Encodable {
    package let loss: Double
    package let emotion: Double
    package let contrastiveModality: Double
    package let contrastiveUtterance: Double
    package let classification: Double
    package let regression: Double
    package let prototype: Double

    package enum CodingKeys: String, CodingKey {
      case loss, emotion, prototype
      case contrastiveModality = "contrastive_modality"
      case contrastiveUtterance = "contrastive_utterance"
      case classification = "tcp_classification"
      case regression = "tcp_regression"
    }
  }

  package var losses: Losses {
    Losses(
      loss: parts.total(model.options.loss), emotion: parts.emotion,
      contrastiveModality: parts.contrastiveModality,
      contrastiveUtterance: parts.contrastiveUtterance, classification: parts.classification,
      regression: parts.regression, prototype: parts.prototype)
  }

  /// Writes logits, consistency, contributions, prototypes, counts and all gradients.
  package func write(to path: String) throws {
    let options = model.options
    let count = options.emotionCount
    var writer = SafetensorsWriter()
    writer.add("logits", rows.flatMap { $0[..<count] }, shape: [rows.count, count])
    writer.add("consistency", rows.map { $0[count] }, shape: [rows.count])
    for (m, modality) in options.modalities.enumerated() {
      writer.add(
        "contribution.\(modality.modality)", rows.map { $0[count + 1 + m] }, shape: [rows.count])
    }
    writer.add(
      "prototypes", Array(prototypes.prototypes.elements), shape: [count, prototypes.width])
    writer.add("counts", prototypes.counts, shape: [count])
    for parameter in model.layout.parameters {
      writer.add(
        "gradient.\(parameter.name)", Array(gradients[parameter.range]), shape: parameter.shape)
    }
    try writer.write(toFile: path)
  }
}

extension SafetensorsFile {
  /// Checks that a tensor is there in the shape that the model has.
  package func requireShape(_ shape: [Int], of name: String) throws(SafetensorsError) {
    guard let entry = entry(name) else {
      throw SafetensorsError(
        path: path, place: name, reason: "the tensor is absent",
        cure: "Use weights of a model with the same modalities and ablations.")
    }
    guard entry.shape == shape else {
      throw SafetensorsError(
        path: path, place: name, reason: "the shape is \(entry.shape), the model has \(shape)",
        cure: "Use weights of a model with the same widths.")
    }
  }

  /// S and N of the prototypes, nil where the file has none; without sums, S = R N.
  package func prototypeState(
    _ prototypes: EmotionPrototypes
  ) throws(SafetensorsError) -> (sums: [Double], counts: [Int64])? {
    guard entry(CheckpointCoding.counts) != nil else { return nil }
    let shape = [prototypes.emotionCount, prototypes.width]
    try requireShape([prototypes.emotionCount], of: CheckpointCoding.counts)
    let counts = try integers(CheckpointCoding.counts)
    // Beyond this, adding one more would no longer be exact.
    guard counts.allSatisfy({ (0...1 << 53).contains($0) }) else {
      throw SafetensorsError(
        path: path, place: CheckpointCoding.counts,
        reason: "a count is negative or above 2^53", cure: "Use another file.")
    }
    if entry(CheckpointCoding.prototypeSums) != nil {
      try requireShape(shape, of: CheckpointCoding.prototypeSums)
      return (try doubles(CheckpointCoding.prototypeSums), counts)
    }
    try requireShape(shape, of: CheckpointCoding.prototypes)
    let means = try doubles(CheckpointCoding.prototypes)
    let sums = means.indices.map { means[$0] * Double(counts[$0 / prototypes.width]) }
    return (sums, counts)
  }
}
