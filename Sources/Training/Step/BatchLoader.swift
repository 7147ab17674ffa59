import Autograd
import DialogueData
import NeuralNet
import TensorCore

/// Packs dialogues of a split into the step arena, for one pass at a time.
///
/// The micro-batches of a pass share every product, yet each has the bits of a pass of its own: rows
/// are independent of one another, and sums over rows are taken within a micro-batch first.
package final class BatchLoader {
  /// The tape of the current pass.
  package let tape: Tape
  private let model: any Model
  private let parameters: Parameters
  private let buffers: RunningBuffers
  private var packed = PackedBatch()

  /// - Parameters:
  ///   - model: the model whose inputs are packed.
  ///   - workers: the threads of this rank.
  ///   - products: how products are computed.
  package init(
    model: any Model, parameters: Parameters, buffers: RunningBuffers, workers: Workers,
    products: LinearProducts
  ) {
    self.model = model
    self.parameters = parameters
    self.buffers = buffers
    tape = Tape(arena: StepArena(), workers: workers, products: products)
  }

  /// The dialogues of the pass in row order, by their index in file order.
  package var dialogues: [Int] { packed.dialogues }

  /// The rows of each dialogue, in the order of ``dialogues``.
  package func rows(of position: Int) -> Range<Int> {
    packed.offsets[position]..<packed.offsets[position + 1]
  }

  /// The label of every row.
  package var labels: [Int] { packed.labels }

  /// Calls a function with the rows of each micro-batch.
  package func forEachMicroBatch(_ body: (_ rows: Range<Int>) -> Void) {
    let offsets = packed.microBatchOffsets
    for index in 1..<offsets.count { body(offsets[index - 1]..<offsets[index]) }
  }

  /// Begins a pass over micro-batches of a global batch that is recorded for the backward pass.
  ///
  /// - Parameters:
  ///   - microBatches: the indices of the micro-batches in the global batch.
  ///   - randomness: the dropout of the step; nil for none.
  package func load(
    _ microBatches: Range<Int>, of global: GlobalBatch, from split: Split,
    randomness: Dropout.Randomness?
  ) -> (rows: UtteranceBatch, pass: Pass) {
    packed.pack(global.microBatches[microBatches], of: split)
    tape.reset(recording: true)
    let counts = BatchCounts(
      utterances: global.utteranceCount, pairedUtterances: global.pairedUtteranceCount)
    return copy(from: split, counts: counts, randomness: randomness)
  }

  /// Begins a pass over consecutive dialogues, without dropout and without a backward pass.
  package func load(
    _ dialogues: Range<Int>, from split: Split
  ) -> (rows: UtteranceBatch, pass: Pass) {
    packed.pack(dialogues, of: split)
    tape.reset(recording: false)
    let counts = BatchCounts(utterances: packed.utteranceCount, pairedUtterances: 0)
    return copy(from: split, counts: counts, randomness: nil)
  }

  private func copy(
    from split: Split, counts: BatchCounts, randomness: Dropout.Randomness?
  ) -> (rows: UtteranceBatch, pass: Pass) {
    let utterances = tape.makeRowSpace(
      segments: RowSegments(offsets: copy(packed.microBatchOffsets)),
      groups: RowGroups(offsets: copy(packed.offsets), identifiers: copy(packed.dialogues)))
    let modalities = model.modalities
    let features = tape.list(count: modalities.count) { index in
      let tensor = tape.arena.tensor(
        rows: packed.utteranceCount, columns: modalities[index].width)
      packed.copyFeatures(modalities[index].modality, of: split, to: tensor.elements)
      return .constant(tensor, in: utterances)
    }
    let batch = UtteranceBatch(
      space: utterances, features: features, labels: copy(packed.labels),
      speakers: copy(packed.speakers), counts: counts)
    let pass = Pass(
      tape: tape, parameters: parameters, buffers: buffers,
      randomness: randomness)
    return (batch, pass)
  }

  private func copy(_ values: [Int]) -> UnsafeBufferPointer<Int> {
    let memory = tape.arena.allocate(Int.self, count: values.count)
    _ = memory.initialize(from: values)
    return UnsafeBufferPointer(memory)
  }
}
