import AllocationCounter
import Autograd
import DFERCModel
import NeuralNet
import Optimizing
import TensorCore
import Testing

/// A training step takes its memory from the arena, not from the heap.
///
/// The test executable counts the calls of `malloc` and its kin on this thread, so memory that is
/// taken and given back within the step is seen as well.
@Suite("Heap allocations of a training step")
struct AllocationTests {
  @Test("the counter sees memory that is given back at once")
  func counterCounts() {
    let before = allocationCountOfThread()
    var sum: Float = 0
    for size in 1...3 { sum += withExtendedLifetime(FloatBuffer(count: size)) { $0.elements[0] } }
    #expect(allocationCountOfThread() >= before + 3)
    #expect(sum == 0)
  }

  @Test(
    "none in the steady state",
    arguments: [
      [], [.noDDM], [.noCFM], [.cfmAttention], [.crmFull], [.crmZero], [.crmAttention],
    ] as [Set<Ablation>])
  func stepAllocatesNothing(ablations: Set<Ablation>) {
    let step = TrainingStep(ablations: ablations)
    for _ in 0..<3 { step.run() }
    let blocks = step.arena.heapAllocationCount
    let before = allocationCountOfThread()
    for _ in 0..<5 { step.run() }
    #expect(allocationCountOfThread() == before)
    #expect(step.arena.heapAllocationCount == blocks)
    #expect(step.lastLoss.isFinite && step.lastLoss > 0)
  }

  @Test("none in the steady state of an evaluation")
  func evaluationAllocatesNothing() {
    let step = TrainingStep(ablations: [])
    for _ in 0..<3 { step.evaluate() }
    let before = allocationCountOfThread()
    for _ in 0..<5 { step.evaluate() }
    #expect(allocationCountOfThread() == before)
  }
}

/// Everything that lives longer than a step of one rank with one micro-batch.
private final class TrainingStep {
  let arena = StepArena()
  private(set) var lastLoss = 0.0
  private let tape: Tape
  private let model: DFERC
  private let parameters: Parameters
  private let gradients: FloatBuffer
  private let optimizer: AdamW
  private let prototypes: EmotionPrototypes
  private let statistics: UnsafeMutableBufferPointer<Double>
  private let squares: UnsafeMutableBufferPointer<Double>
  private let offsets = [0, 1, 6, 9, 20]
  private let identifiers = [7, 2, 30, 4]
  private let labels: [Int]
  private var step = 0

  init(ablations: Set<Ablation>) {
    var options = DFERCOptions(
      modalities: [
        ModalityWidth(.text, width: 21), ModalityWidth(.audio, width: 10),
        ModalityWidth(.visual, width: 13),
      ],
      emotionCount: 5)
    options.width = 30
    options.alignmentWidth = 25
    options.contextHidden = 20
    options.ablations = ablations
    model = DFERC(options)
    tape = Tape(arena: arena)
    parameters = Parameters(layout: model.layout)
    parameters.initialize(seed: 1)
    gradients = FloatBuffer(count: model.layout.count)
    optimizer = AdamW(
      options: AdamW.Options(),
      segments: model.layout.parameters.map {
        AdamW.Segment(range: $0.range, isDecayed: $0.isDecayed, learningRate: 1e-3)
      }, slice: 0..<model.layout.count)
    prototypes = EmotionPrototypes(
      emotionCount: options.emotionCount, width: options.alignmentWidth)
    statistics = .allocate(capacity: prototypes.statisticsCount)
    squares = .allocate(capacity: GradientNorm.blockCount(of: gradients.count))
    labels = (0..<20).map { $0 % 5 }
  }

  deinit {
    statistics.deallocate()
    squares.deallocate()
  }

  /// Forward and backward pass, prototypes, clipping and update.
  func run() {
    tape.reset(recording: true)
    let batch = makeBatch()
    let pass = Pass(
      tape: tape, parameters: parameters, dialogues: batch.dialogues,
      randomness: Dropout.Randomness(seed: 3, step: step, probability: model.options.dropout))
    parameters.beginGradients(in: gradients.pointer)
    let encoding = model.encode(batch, pass)
    statistics.initialize(repeating: 0)
    model.addPrototypeStatistics(
      encoding, rows: 0..<labels.count, labels: batch.labels, to: statistics)
    prototypes.stage(statistics)
    let prediction = model.predict(encoding, pass)
    let scales = LossScales(
      utteranceCount: 20, pairedUtteranceCount: 19, modalityCount: 3,
      reduction: model.options.loss.reduction)
    lastLoss = model.losses(
      encoding, prediction, labels: batch.labels, prototypes: prototypes.prototypes,
      scales: scales, pass
    )[0].total(model.options.loss)
    tape.backward()
    parameters.finishGradients()
    update()
    prototypes.commit()
    step += 1
  }

  /// A forward pass that is not recorded.
  func evaluate() {
    tape.reset(recording: false)
    let batch = makeBatch()
    let pass = Pass(
      tape: tape, parameters: parameters, dialogues: batch.dialogues, randomness: nil)
    _ = model.predict(model.encode(batch, pass), pass)
  }

  private func update() {
    GradientNorm.sumSquares(gradients.elements, into: squares, workers: .single)
    let norm = GradientNorm.combine(squares)
    optimizer.update(
      parameters.values.pointer, gradients: gradients.pointer,
      gradientScale: GradientNorm.clipFactor(norm: norm, limit: 1), rateFactor: 1,
      workers: .single)
  }

  private func makeBatch() -> DialogueBatch {
    let features = arena.allocate(Tensor.self, count: model.options.modalities.count)
    for m in features.indices {
      let tensor = arena.tensor(rows: labels.count, columns: model.options.modalities[m].width)
      for index in 0..<tensor.count { tensor.pointer[index] = Float(index % 17) / 17 - 0.5 }
      features.initializeElement(at: m, to: tensor)
    }
    return DialogueBatch(
      features: UnsafeBufferPointer(features),
      dialogues: RowGroups(offsets: copy(offsets), identifiers: copy(identifiers)),
      labels: copy(labels))
  }

  private func copy(_ values: [Int]) -> UnsafeBufferPointer<Int> {
    let memory = arena.allocate(Int.self, count: values.count)
    _ = memory.initialize(from: values)
    return UnsafeBufferPointer(memory)
  }
}
