import Autograd
import DFERCModel
import DialogueData
import NeuralNet
import TensorCore

/// The micro-batches of a rank on their way through the model, in one pass.
///
/// They share every product, yet each gets the bits that it would get alone: rows do not depend on
/// one another, and sums over rows are taken within a micro-batch first.
package final class BatchPass {
  private let model: DFERC
  private let parameters: Parameters
  private let tape: Tape
  private var packed = PackedBatch()
  private var state: State?

  private struct State {
    let batch: DialogueBatch
    let pass: Pass
    var encoding: DFERC.Encoding?
    var prediction: DFERC.Prediction?
  }

  package init(model: DFERC, parameters: Parameters, workers: Workers, products: LinearProducts) {
    self.model = model
    self.parameters = parameters
    tape = Tape(arena: StepArena(), workers: workers, products: products)
  }

  /// The dialogues of the pass by their index in file order, in the order of their rows.
  package var dialogues: [Int] { packed.dialogues }

  /// The rows of each dialogue, in the order of ``dialogues``.
  package func rows(of position: Int) -> Range<Int> {
    packed.offsets[position]..<packed.offsets[position + 1]
  }

  /// The label of every row.
  package var labels: [Int] { packed.labels }

  /// Hands out the rows of each micro-batch.
  package func forEachMicroBatch(_ body: (_ rows: Range<Int>) -> Void) {
    let offsets = packed.microBatchOffsets
    for index in 1..<offsets.count { body(offsets[index - 1]..<offsets[index]) }
  }

  /// Takes micro-batches of a batch plan; see ``load(of:randomness:recording:)``.
  package func load(
    _ microBatches: ArraySlice<[Int]>, of split: Split, randomness: Dropout.Randomness?,
    recording: Bool
  ) {
    packed.pack(microBatches, of: split)
    load(of: split, randomness: randomness, recording: recording)
  }

  /// Takes neighbouring dialogues, without dropout and without a backward pass.
  package func load(_ dialogues: Range<Int>, of split: Split) {
    packed.pack(dialogues, of: split)
    load(of: split, randomness: nil, recording: false)
  }

  /// Copies the dialogues' features and labels, and forgets the pass before.
  ///
  /// - Parameters:
  ///   - split: the split the dialogues belong to.
  ///   - randomness: the dropout of the step; nil for none.
  ///   - recording: whether a backward pass will follow.
  private func load(of split: Split, randomness: Dropout.Randomness?, recording: Bool) {
    tape.reset(recording: recording)
    tape.divide(into: RowSegments(offsets: copy(packed.microBatchOffsets)))
    let modalities = model.options.modalities
    let features = tape.arena.allocate(Tensor.self, count: modalities.count)
    for (index, modality) in modalities.enumerated() {
      let tensor = tape.arena.tensor(rows: packed.utteranceCount, columns: modality.width)
      packed.copyFeatures(modality.modality, of: split, to: tensor.elements)
      features.initializeElement(at: index, to: tensor)
    }
    let groups = RowGroups(offsets: copy(packed.offsets), identifiers: copy(packed.dialogues))
    let batch = DialogueBatch(
      features: UnsafeBufferPointer(features), dialogues: groups, labels: copy(packed.labels))
    let pass = Pass(
      tape: tape, parameters: parameters, dialogues: groups, randomness: randomness)
    state = State(batch: batch, pass: pass)
  }

  private func copy(_ values: [Int]) -> UnsafeBufferPointer<Int> {
    let memory = tape.arena.allocate(Int.self, count: values.count)
    _ = memory.initialize(from: values)
    return UnsafeBufferPointer(memory)
  }

  /// Runs the model up to the aligned features.
  package func encode() {
    guard let loaded = state else { preconditionFailure("nothing is loaded") }
    state?.encoding = model.encode(loaded.batch, loaded.pass)
  }

  /// Adds one micro-batch's share of the prototype statistics.
  ///
  /// - Parameter rows: those of the micro-batch.
  package func addPrototypeStatistics(
    of rows: Range<Int>, to statistics: UnsafeMutableBufferPointer<Double>
  ) {
    let (state, encoding) = encoded()
    model.addPrototypeStatistics(
      encoding, rows: rows, labels: state.batch.labels, to: statistics)
  }

  /// Brings in context and classifies.
  @discardableResult
  package func predict() -> DFERC.Prediction {
    let (current, encoding) = encoded()
    let prediction = model.predict(encoding, current.pass)
    state?.prediction = prediction
    return prediction
  }

  /// The outcome of ``predict()``.
  package var prediction: DFERC.Prediction {
    guard let prediction = state?.prediction else { preconditionFailure("nothing was predicted") }
    return prediction
  }

  /// The share of the loss of every micro-batch.
  package func losses(prototypes: Tensor, scales: LossScales) -> LossShares {
    let (state, encoding) = encoded()
    return model.losses(
      encoding, prediction, labels: state.batch.labels, prototypes: prototypes, scales: scales,
      state.pass)
  }

  /// Writes the sum of all gradients over the micro-batches into a flat buffer.
  package func backward(into gradients: UnsafeMutablePointer<Float>) {
    parameters.beginGradients(in: gradients)
    tape.backward()
    parameters.finishGradients()
  }

  private func encoded() -> (State, DFERC.Encoding) {
    guard let state, let encoding = state.encoding else {
      preconditionFailure("nothing is encoded")
    }
    return (state, encoding)
  }
}
