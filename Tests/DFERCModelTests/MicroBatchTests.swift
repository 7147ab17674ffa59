import Autograd
import NeuralNet
import TensorCore
import TestSupport
import Testing

@testable import DFERCModel

/// Micro-batches in one pass have the bits of micro-batches in a pass each.
@Suite("Micro-batches in one pass")
struct MicroBatchTests {
  private static let lengths = [2, 5, 1, 4, 3, 7]
  private static let microBatches = [[0, 1], [2], [], [3, 4, 5]]

  @Test(
    "losses, statistics, predictions and gradients",
    arguments: [
      [], [.noDDM], [.noCFM], [.cfmAttention], [.crmFull], [.crmZero], [.crmAttention],
    ] as [Set<Ablation>])
  func sameBits(ablations: Set<Ablation>) {
    let fixture = JoinedFixture(ablations: ablations)
    let joined = fixture.run(Self.microBatches, lengths: Self.lengths)
    let alone = Self.microBatches.map { fixture.run([$0], lengths: Self.lengths) }
    for (index, single) in alone.enumerated() {
      #expect(joined.losses[index] == single.losses[0], "losses of micro-batch \(index)")
      #expect(joined.statistics[index] == single.statistics[0], "statistics of \(index)")
    }
    expectSameBits(joined.logits, alone.flatMap(\.logits), "logits")
    expectSameBits(joined.gradients, tree(alone.map(\.gradients)), "gradients")
  }

  /// `(0 + 1) + (2 + 3)`.
  private func tree(_ leaves: [[Float]]) -> [Float] {
    func sum(_ a: [Float], _ b: [Float]) -> [Float] { zip(a, b).map { $0 + $1 } }
    return sum(sum(leaves[0], leaves[1]), sum(leaves[2], leaves[3]))
  }
}

/// A small model that computes chosen dialogues in one pass.
private final class JoinedFixture {
  struct Outcome {
    var losses: [LossParts] = []
    var statistics: [[Double]] = []
    var logits: [Float] = []
    var gradients: [Float] = []
  }

  private let model: DFERC
  private let parameters: Parameters
  private let prototypes: Tensor
  private let make = TensorFactory(seed: 91)

  init(ablations: Set<Ablation>) {
    var options = DFERCOptions(
      modalities: [
        ModalityWidth(.text, width: 11), ModalityWidth(.audio, width: 6),
        ModalityWidth(.visual, width: 9),
      ],
      emotionCount: 4)
    options.width = 10
    options.alignmentWidth = 13
    options.contextHidden = 7
    options.dropout = 0.3
    options.ablations = ablations
    model = DFERC(options)
    parameters = Parameters(layout: model.layout)
    parameters.initialize(seed: 5)
    prototypes = make.random(rows: 4, columns: 13)
  }

  func run(_ microBatches: [[Int]], lengths: [Int]) -> Outcome {
    let tape = Tape(arena: StepArena())
    tape.reset(recording: true)
    let dialogues = microBatches.flatMap { $0 }
    let segments = make.segments(
      microBatches.map { $0.reduce(0) { $0 + lengths[$1] } })
    tape.divide(into: segments)
    let groups = make.groups(dialogues.map { lengths[$0] }, identifiers: dialogues)
    let labels = make.integers(dialogues.flatMap { d in (0..<lengths[d]).map { (d + $0) % 4 } })
    let features = tape.arena.allocate(Tensor.self, count: 3)
    for (index, modality) in model.options.modalities.enumerated() {
      let rows = dialogues.flatMap { dialogue in
        TensorFactory(seed: UInt64(10 * dialogue + index))
          .values(lengths[dialogue] * modality.width)
      }
      features.initializeElement(
        at: index, to: make.tensor(rows, rows: labels.count, columns: modality.width))
    }
    let batch = DialogueBatch(
      features: UnsafeBufferPointer(features), dialogues: groups, labels: labels)
    let pass = Pass(
      tape: tape, parameters: parameters, dialogues: groups,
      randomness: Dropout.Randomness(seed: 3, step: 2, probability: 0.3))
    return finish(batch, pass, segments)
  }

  private func finish(_ batch: DialogueBatch, _ pass: Pass, _ segments: RowSegments) -> Outcome {
    let encoding = model.encode(batch, pass)
    let prediction = model.predict(encoding, pass)
    let shares = model.losses(
      encoding, prediction, labels: batch.labels, prototypes: prototypes,
      scales: LossScales(
        utteranceCount: 22, pairedUtteranceCount: 21, modalityCount: 3, reduction: .mean), pass)
    let gradients = FloatBuffer(count: model.layout.count)
    parameters.beginGradients(in: gradients.pointer)
    pass.tape.backward()
    parameters.finishGradients()
    var outcome = Outcome()
    outcome.logits = prediction.logits.value.values
    outcome.gradients = Array(gradients.elements)
    outcome.losses = (0..<shares.count).map { shares[$0] }
    outcome.statistics = (0..<segments.count).map { index in
      var statistics = [Double](repeating: 0, count: 4 * 13 + 4)
      statistics.withUnsafeMutableBufferPointer {
        model.addPrototypeStatistics(
          encoding, rows: segments.rows(index), labels: batch.labels, to: $0)
      }
      return statistics
    }
    return outcome
  }
}
