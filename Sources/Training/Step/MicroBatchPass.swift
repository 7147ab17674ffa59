import Autograd
import DFERCModel
import DialogueData
import NeuralNet
import TensorCore

/// One micro-batch on its way through the model, with memory of its own.
///
/// A rank that holds several micro-batches runs all of them up to the prototype statistics before
/// any goes on, because the prototypes of a step depend on the whole global batch.
final class MicroBatchPass {
  private let model: DFERC
  private let parameters: Parameters
  private let tape: Tape
  private var packed = PackedBatch()
  private var state: State?

  private struct State {
    let batch: MicroBatch
    let pass: Pass
    var encoding: DFERC.Encoding?
    var prediction: DFERC.Prediction?
  }

  init(model: DFERC, parameters: Parameters, workers: Workers) {
    self.model = model
    self.parameters = parameters
    tape = Tape(arena: StepArena(), workers: workers)
  }

  /// The dialogues of the micro-batch by their index in file order, in the order of their rows.
  var dialogues: [Int] { packed.dialogues }

  /// The rows of each dialogue, in the order of ``dialogues``.
  func rows(of position: Int) -> Range<Int> {
    packed.offsets[position]..<packed.offsets[position + 1]
  }

  /// The label of every row.
  var labels: [Int] { packed.labels }

  /// Takes dialogues in the order of a batch plan; see ``load(of:randomness:recording:)``.
  func load(
    _ dialogues: [Int], of split: Split, randomness: Dropout.Randomness?, recording: Bool
  ) {
    packed.pack(dialogues, of: split)
    load(of: split, randomness: randomness, recording: recording)
  }

  /// Takes neighbouring dialogues, without dropout and without a backward pass.
  func load(_ dialogues: Range<Int>, of split: Split) {
    packed.pack(dialogues, of: split)
    load(of: split, randomness: nil, recording: false)
  }

  /// Copies the dialogues' features and labels, and forgets the micro-batch before.
  ///
  /// - Parameters:
  ///   - split: the split the dialogues belong to.
  ///   - randomness: the dropout of the step; nil for none.
  ///   - recording: whether a backward pass will follow.
  private func load(of split: Split, randomness: Dropout.Randomness?, recording: Bool) {
    tape.reset(recording: recording)
    let modalities = model.options.modalities
    let features = tape.arena.allocate(Tensor.self, count: modalities.count)
    for (index, modality) in modalities.enumerated() {
      let tensor = tape.arena.tensor(rows: packed.utteranceCount, columns: modality.width)
      packed.copyFeatures(modality.modality, of: split, to: tensor.elements)
      features.initializeElement(at: index, to: tensor)
    }
    let groups = RowGroups(offsets: copy(packed.offsets), identifiers: copy(packed.dialogues))
    let batch = MicroBatch(
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
  func encode() {
    guard let loaded = state else { preconditionFailure("no micro-batch is loaded") }
    state?.encoding = model.encode(loaded.batch, loaded.pass)
  }

  /// Adds this micro-batch's share of the prototype statistics.
  func addPrototypeStatistics(to statistics: UnsafeMutableBufferPointer<Double>) {
    let (state, encoding) = encoded()
    model.addPrototypeStatistics(encoding, labels: state.batch.labels, to: statistics)
  }

  /// Brings in context and classifies.
  @discardableResult
  func predict() -> DFERC.Prediction {
    let (current, encoding) = encoded()
    let prediction = model.predict(encoding, current.pass)
    state?.prediction = prediction
    return prediction
  }

  /// The outcome of ``predict()``.
  var prediction: DFERC.Prediction {
    guard let prediction = state?.prediction else { preconditionFailure("nothing was predicted") }
    return prediction
  }

  /// This micro-batch's share of the loss.
  func losses(prototypes: Tensor, scales: LossScales) -> LossParts {
    let (state, encoding) = encoded()
    return model.losses(
      encoding, prediction, labels: state.batch.labels, prototypes: prototypes, scales: scales,
      state.pass)
  }

  /// Writes this micro-batch's share of all gradients into a flat buffer.
  func backward(into gradients: UnsafeMutablePointer<Float>) {
    parameters.beginGradients(in: gradients)
    tape.backward()
    parameters.finishGradients()
  }

  private func encoded() -> (State, DFERC.Encoding) {
    guard let state, let encoding = state.encoding else {
      preconditionFailure("no micro-batch is encoded")
    }
    return (state, encoding)
  }
}
