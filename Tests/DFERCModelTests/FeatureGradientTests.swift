import Autograd
import NeuralNet
import TensorCore
import TestSupport
import Testing

@testable import DFERCModel

/// A sum over the rows of one pass, as on a single rank.
private final class PassSum: GlobalSum {
  private let rowCount: Int
  private let arena: StepArena

  init(rowCount: Int, arena: StepArena) {
    (self.rowCount, self.arena) = (rowCount, arena)
  }

  func sum(
    count: Int,
    _ addRows: (_ rows: Range<Int>, _ buffer: UnsafeMutableBufferPointer<Double>) -> Void
  ) -> UnsafeMutableBufferPointer<Double> {
    let buffer = arena.allocate(Double.self, count: count)
    buffer.initialize(repeating: 0)
    addRows(0..<rowCount, buffer)
    return buffer
  }
}

/// Features that an encoder computes from its own parameters.
@Suite("DF-ERC: gradients of the features")
struct FeatureGradientTests {
  private static let width = 5
  private let make = TensorFactory(seed: 45)
  private let model: DFERC
  private let parameters: Parameters
  private let gradients: FloatBuffer

  /// With attention for fusion and context, no quantity that depends on the features is constant in
  /// the backward pass.
  init() {
    var options = DFERCOptions()
    (options.width, options.alignmentWidth, options.contextHidden) = (4, 5, 3)
    options.ablations = [.cfmAttention, .crmAttention]
    options.reduction = .sum
    model = DFERC(
      options,
      modalities: [ModalityWidth(.text, width: Self.width), ModalityWidth(.audio, width: 3)],
      classCount: 3)
    parameters = Parameters(layout: model.layout)
    gradients = FloatBuffer(count: model.layout.count)
    for parameter in model.layout.parameters {
      _ = parameters.tensor(of: parameter).elements.update(
        from: make.values(parameter.count, scale: 0.6))
    }
  }

  /// The loss of some micro-batches whose text features are scaled by a variable.
  ///
  /// The label of a row follows from its features.
  private func loss(
    _ tape: Tape, scale: Variable, text: Tensor, audio: Tensor, microBatches: [[Int]]
  ) -> Double {
    let lengths = microBatches.flatMap { $0 }
    let space = tape.makeRowSpace(
      segments: make.segments(microBatches.map { $0.reduce(0, +) }), groups: make.groups(lengths))
    let encoded = tape.layerNorm(
      .constant(text, in: space), gamma: scale, beta: scale, epsilon: 0.1)
    let labels = make.integers((0..<text.rows).map { Int(100 * abs(audio.row($0)[0])) % 3 })
    let batch = UtteranceBatch(
      space: space, features: tape.list([encoded, .constant(audio, in: space)]), labels: labels,
      speakers: labels,
      counts: BatchCounts(utterances: text.rows, pairedUtterances: text.rows))
    parameters.beginGradients(in: gradients.pointer)
    let pass = Pass(
      tape: tape, parameters: parameters,
      buffers: RunningBuffers(layout: model.runningBuffers), randomness: nil)
    let output = model.forward(batch, pass)
    let sum = PassSum(rowCount: text.rows, arena: tape.arena)
    guard let shares = try? model.losses(output, of: batch, sum: sum, pass) else { return .nan }
    return (0..<shares.count).reduce(0) { $0 + model.loss(of: shares[$1]) }
  }

  @Test("The gradient goes on to what the features depend on")
  func encoder() {
    let (text, audio) = (
      make.random(rows: 8, columns: Self.width), make.random(rows: 8, columns: 3)
    )
    let scale = make.random(rows: 1, columns: Self.width)
    // The contrastive losses are the most curved part: at twice this step they show truncation.
    GradientCheck([scale], step: 1.0 / 64) { tape, v in
      loss(tape, scale: v[0], text: text, audio: audio, microBatches: [[4, 1], [], [3]])
    }.expectRight("scale of the features")
  }

  @Test("It has the same bits in one pass as in a pass for each micro-batch")
  func microBatches() {
    // The product library that attention uses has one thread, as in training.
    BLASLibrary.setThreadCount(1)
    let microBatches = [[2, 3], [], [4], [1, 5]]
    let (text, audio) = (
      make.random(rows: 15, columns: Self.width), make.random(rows: 15, columns: 3)
    )
    let scale = make.random(rows: 1, columns: Self.width)
    func gradient(_ microBatches: [[Int]], _ rows: Range<Int>) -> [Float] {
      let tape = Tape(arena: StepArena())
      tape.reset(recording: true)
      let variable = Variable(scale, slot: tape.arena.store(GradientSlot()))
      _ = loss(
        tape, scale: variable, text: text.rows(rows), audio: audio.rows(rows),
        microBatches: microBatches)
      tape.backward()
      return variable.gradient?.values ?? [Float](repeating: 0, count: scale.count)
    }
    var first = 0
    let leaves = microBatches.map { lengths in
      let rows = first..<first + lengths.reduce(0, +)
      first = rows.upperBound
      return gradient([lengths], rows)
    }
    let tree = (0..<scale.count).map {
      (leaves[0][$0] + leaves[1][$0]) + (leaves[2][$0] + leaves[3][$0])
    }
    expectSameBits(gradient(microBatches, 0..<15), tree, "scale of the features")
    #expect(!tree.contains(0))
  }
}
