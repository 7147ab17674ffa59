import Autograd
import DFERCModel
import Foundation
import NeuralNet
import TensorCore

/// One forward and backward pass over a batch, with everything that it computed copied out.
struct ModelRun {
  var losses = LossParts()
  var total = 0.0
  var logits: [Float] = []
  var consistency: [Float] = []
  var contributions: [[Float]] = []
  var prototypes: [Float] = []
  var counts: [Int64] = []
  var gradients: [String: [Float]] = [:]

  /// Runs the given dialogues as one global batch cut into micro-batches.
  ///
  /// - Parameters:
  ///   - model: with `parameters`.
  ///   - features: of every modality, for all rows.
  ///   - microBatches: for each, positions of its dialogues in `offsets`.
  init(
    model: DFERC, parameters: Parameters, prototypes state: EmotionPrototypes,
    features: [[Float]], labels: [Int], offsets: [Int], dialogues: [Int], seed: UInt64, step: Int,
    microBatches: [[Int]]
  ) {
    let options = model.options
    let lengths = zip(offsets.dropFirst(), offsets).map { $0 - $1 }
    let scales = LossScales(
      utteranceCount: labels.count,
      pairedUtteranceCount: lengths.filter { $0 > 1 }.reduce(0, +),
      modalityCount: options.modalities.count, reduction: options.loss.reduction)
    let randomness =
      options.dropout > 0
      ? Dropout.Randomness(seed: seed, step: step, probability: options.dropout) : nil
    var statistics = [Double](repeating: 0, count: state.statisticsCount)
    var shares: [Share] = []
    for positions in microBatches {
      let share = Share(
        model: model, parameters: parameters, features: features, labels: labels,
        offsets: offsets, dialogues: dialogues, positions: positions, randomness: randomness)
      statistics.withUnsafeMutableBufferPointer { share.addStatistics(to: $0) }
      shares.append(share)
    }
    statistics.withUnsafeMutableBufferPointer { state.stage($0) }
    var gradient = [Float](repeating: 0, count: model.layout.count)
    for share in shares {
      let parts = share.finish(prototypes: state.prototypes, scales: scales)
      losses.add(parts.losses)
      for index in gradient.indices { gradient[index] += parts.gradient[index] }
      logits += share.values(of: share.prediction.logits.value)
      consistency += share.values(of: share.prediction.consistency)
    }
    state.commit()
    total = losses.total(options.loss)
    prototypes = Array(state.prototypes.elements)
    counts = state.counts
    contributions = options.modalities.indices.map { m in
      shares.flatMap { share in
        (0..<share.rowCount).map { share.prediction.contribution(modality: m, row: $0) }
      }
    }
    for parameter in model.layout.parameters {
      gradients[parameter.name] = Array(gradient[parameter.range])
    }
  }
}

extension LossParts {
  mutating func add(_ other: LossParts) {
    emotion += other.emotion
    contrastiveModality += other.contrastiveModality
    contrastiveUtterance += other.contrastiveUtterance
    classification += other.classification
    regression += other.regression
    prototype += other.prototype
  }
}

/// One micro-batch between its forward and its backward pass.
private final class Share {
  let model: DFERC
  let parameters: Parameters
  let batch: DialogueBatch
  let pass: Pass
  let encoding: DFERC.Encoding
  let prediction: DFERC.Prediction
  private let arena = StepArena()
  private let tape: Tape

  init(
    model: DFERC, parameters: Parameters, features: [[Float]], labels: [Int],
    offsets: [Int], dialogues: [Int], positions: [Int], randomness: Dropout.Randomness?
  ) {
    self.model = model
    self.parameters = parameters
    tape = Tape(arena: arena)
    let rows = positions.flatMap { Array(offsets[$0]..<offsets[$0 + 1]) }
    let arena = arena
    func copy<Value: BitwiseCopyable>(_ values: [Value]) -> UnsafeBufferPointer<Value> {
      let memory = arena.allocate(Value.self, count: values.count)
      _ = memory.initialize(from: values)
      return UnsafeBufferPointer(memory)
    }
    let tensors = model.options.modalities.enumerated().map { index, modality in
      let tensor = arena.tensor(rows: rows.count, columns: modality.width)
      for (target, source) in rows.enumerated() {
        for column in 0..<modality.width {
          tensor.row(target)[column] = features[index][source * modality.width + column]
        }
      }
      return tensor
    }
    let lengths = zip(offsets.dropFirst(), offsets).map { $0 - $1 }
    var packedOffsets = [0]
    for position in positions {
      packedOffsets.append(packedOffsets[packedOffsets.count - 1] + lengths[position])
    }
    batch = DialogueBatch(
      features: copy(tensors),
      dialogues: RowGroups(
        offsets: copy(packedOffsets), identifiers: copy(positions.map { dialogues[$0] })),
      labels: copy(rows.map { labels[$0] }))
    pass = Pass(
      tape: tape, parameters: parameters, dialogues: batch.dialogues, randomness: randomness)
    encoding = model.encode(batch, pass)
    prediction = model.predict(encoding, pass)
  }

  var rowCount: Int { batch.dialogues.rowCount }

  func addStatistics(to statistics: UnsafeMutableBufferPointer<Double>) {
    model.addPrototypeStatistics(
      encoding, rows: 0..<rowCount, labels: batch.labels, to: statistics)
  }

  func finish(
    prototypes: Tensor, scales: LossScales
  ) -> (losses: LossParts, gradient: [Float]) {
    let losses = model.losses(
      encoding, prediction, labels: batch.labels, prototypes: prototypes, scales: scales, pass)
    let buffer = FloatBuffer(count: model.layout.count)
    parameters.beginGradients(in: buffer.pointer)
    tape.backward()
    parameters.finishGradients()
    return (losses[0], Array(buffer.elements))
  }

  func values(of tensor: Tensor) -> [Float] { Array(tensor.elements) }
}
