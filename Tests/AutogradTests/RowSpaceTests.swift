import Autograd
import TensorCore
import TestSupport
import Testing

/// Rows of different kinds on one tape: tokens become utterances.
@Suite("Row spaces")
struct RowSpaceTests {
  /// The tokens of every utterance of every dialogue, for each micro-batch; one has no dialogue.
  private static let microBatches = [[[3, 1], [2]], [], [[1, 0, 4]], [[2], [5, 1]], [[2, 2]]]

  let make = TensorFactory(seed: 37)

  /// A small encoder before a small model, which share a weight and a bias.
  private struct Model {
    static let shapes = [(6, 4), (4, 4), (1, 4), (8, 4), (8, 2), (1, 8)]
    let table, weight, bias: Variable
    let lstm: RecurrentWeights
    static let randomness = Dropout.Randomness(seed: 1, step: 2, probability: 0.3)

    init(_ p: [Variable]) {
      (table, weight, bias) = (p[0], p[1], p[2])
      lstm = RecurrentWeights(input: p[3], recurrent: p[4], inputBias: p[5], recurrentBias: p[5])
    }

    /// The states of all tokens, [T, 4].
    func encode(_ ids: UnsafeBufferPointer<Int>, in tokens: RowSpace, _ tape: Tape) -> Variable {
      let x = tape.lookup(ids, in: table, space: tokens)
      let y = tape.gelu(tape.linear(x, weight: weight, bias: bias))
      let seen = tape.attention(query: y, key: x, value: y, headCount: 2)
      return tape.dropout(seen, layer: Dropout(layer: "encoder"), randomness: Self.randomness)
    }

    /// The representation of all utterances, [N, 4].
    func callAsFunction(_ utterances: Variable, _ tape: Tape) -> Variable {
      let x = tape.linear(utterances, weight: weight, bias: bias)
      let dropped = tape.dropout(x, layer: Dropout(layer: "model"), randomness: Self.randomness)
      return tape.lstm(dropped, forward: lstm, reverse: lstm)
    }
  }

  /// Some micro-batches on a tape.
  private struct Batch {
    let tokens: RowSpace
    let utterances: RowSpace
    let ids: UnsafeBufferPointer<Int>
    let spans: RowSpans
    let labels: UnsafeBufferPointer<Int>

    /// - Parameter firstDialogue: the identifier of the first dialogue.
    init(_ microBatches: [[[Int]]], firstDialogue: Int, _ make: TensorFactory, _ tape: Tape) {
      let lengths = microBatches.flatMap { $0.flatMap { $0 } }
      let dialogues = microBatches.flatMap { $0 }
      let identifiers = Array(firstDialogue..<firstDialogue + dialogues.count)
      // Each dialogue begins with a token that belongs to no utterance.
      tokens = tape.makeRowSpace(
        segments: make.segments(microBatches.map { $0.reduce(0) { $0 + 1 + $1.reduce(0, +) } }),
        groups: make.groups(dialogues.map { 1 + $0.reduce(0, +) }, identifiers: identifiers))
      utterances = tape.makeRowSpace(
        segments: make.segments(microBatches.map { $0.reduce(0) { $0 + $1.count } }),
        groups: make.groups(dialogues.map(\.count), identifiers: identifiers))
      var (starts, ends, next) = ([Int](), [Int](), 0)
      for dialogue in dialogues {
        next += 1
        for length in dialogue {
          starts.append(next)
          next += length
          ends.append(next)
        }
      }
      spans = RowSpans(starts: make.integers(starts), ends: make.integers(ends))
      ids = make.integers(
        zip(identifiers, dialogues).flatMap { identifier, dialogue in
          (0...dialogue.reduce(0, +)).map { ($0 * $0 + identifier) % 6 }
        })
      labels = make.integers(lengths.map { $0 % 4 })
    }
  }

  private struct Outcome {
    var losses: [Double]
    var logits: [Float]
    var gradients: [Float]
  }

  private func run(
    _ parameters: [Tensor], _ microBatches: [[[Int]]], firstDialogue: Int
  ) -> Outcome {
    let arena = StepArena()
    let tape = Tape(arena: arena)
    tape.reset(recording: true)
    let batch = Batch(microBatches, firstDialogue: firstDialogue, make, tape)
    let variables = parameters.map { Variable($0, slot: arena.store(GradientSlot())) }
    let model = Model(variables)
    let states = model.encode(batch.ids, in: batch.tokens, tape)
    let y = model(tape.spanMean(states, over: batch.spans, in: batch.utterances), tape)
    let errors = tape.crossEntropy(y, labels: batch.labels, weight: 0.5).sums
    // A loss on the tokens too.
    let tokenErrors = tape.crossEntropy(
      tape.linear(states, weight: variables[1], bias: nil),
      labels: make.integers(batch.ids.map { $0 % 4 }), weight: 0.25
    ).sums
    tape.backward()
    return Outcome(
      losses: (0..<errors.count).flatMap { [errors[$0], tokenErrors[$0]] },
      logits: y.value.values,
      gradients: zip(parameters, variables).flatMap {
        $1.gradient?.values ?? [Float](repeating: 0, count: $0.count)
      })
  }

  private func makeParameters() -> [Tensor] {
    Model.shapes.map { make.random(rows: $0.0, columns: $0.1) }
  }

  @Test("one pass has the bits of a pass for each micro-batch")
  func sameBits() {
    let parameters = makeParameters()
    let joined = run(parameters, Self.microBatches, firstDialogue: 0)
    var first = 0
    let alone = Self.microBatches.map { microBatch in
      defer { first += microBatch.count }
      return run(parameters, [microBatch], firstDialogue: first)
    }
    #expect(joined.losses == alone.flatMap(\.losses))
    expectSameBits(joined.logits, alone.flatMap(\.logits), "logits")
    let leaves = alone.map(\.gradients)
    let tree = joined.gradients.indices.map { index in
      ((leaves[0][index] + leaves[1][index]) + (leaves[2][index] + leaves[3][index]))
        + leaves[4][index]
    }
    expectSameBits(joined.gradients, tree, "gradients")
    #expect(joined.gradients.filter { $0 != 0 }.count > 80)
  }

  @Test("gradients across both spaces")
  func gradients() {
    GradientCheck(makeParameters()) { tape, v in
      let batch = Batch(Self.microBatches, firstDialogue: 0, make, tape)
      let model = Model(v)
      let states = model.encode(batch.ids, in: batch.tokens, tape)
      let y = model(tape.spanMean(states, over: batch.spans, in: batch.utterances), tape)
      return tape.crossEntropy(y, labels: batch.labels, weight: 1).sums.total
        + tape.randomLoss(states)
    }.expectRight("both spaces")
  }

  @Test("span means, some with gaps, overlaps and no rows", arguments: [1, 9])
  func spanMean(width: Int) {
    let spans = RowSpans(starts: make.integers([1, 3, 2, 4]), ends: make.integers([3, 4, 5, 4]))
    GradientCheck([make.random(rows: 6, columns: width)]) { tape, v in
      tape.randomLoss(tape.spanMean(v[0], over: spans, in: nil))
    }.expectRight("span means")
  }

  @Test("results have the space of their inputs")
  func inheritance() {
    let tape = Tape(arena: make.arena)
    let space = tape.makeRowSpace(groups: make.groups([3, 1]))
    let other = tape.makeRowSpace(groups: make.groups([2]))
    let x = Variable.constant(make.random(rows: 4, columns: 4), in: space)
    let plain = Variable.constant(make.random(rows: 4, columns: 4))
    let row = Variable.constant(make.row([1, 2, 3, 4]))
    let column = Variable.constant(make.random(rows: 4, columns: 1))
    let lstm = RecurrentWeights(
      input: plain, recurrent: .constant(make.random(rows: 4, columns: 1)), inputBias: row,
      recurrentBias: row)
    let results = [
      tape.tanh(x), tape.sigmoid(x), tape.relu(x), tape.gelu(x), tape.softmax(x),
      tape.multiply(x, plain), tape.multiply(plain, x),
      tape.linear(x, weight: plain, bias: row),
      tape.layerNorm(x, gamma: row, beta: row, epsilon: 1),
      tape.dropout(
        x, layer: Dropout(layer: "a"),
        randomness: Dropout.Randomness(seed: 1, step: 1, probability: 0.5)),
      tape.lookup(make.integers([0, 1, 2, 3]), in: plain, space: space),
      tape.attention(query: plain, key: plain, value: x),
      tape.attentionWeights(query: plain, keys: tape.list([plain, x]))[0],
      tape.lstm(x, forward: lstm, reverse: lstm),
      tape.concatenateColumns(tape.list([plain, x])), tape.scaleRows(x, by: column.value),
      tape.weightedSum(tape.list([plain]), weights: tape.list([column.placed(in: space)])),
      tape.weightedSum(tape.list([plain, x]), weights: nil), tape.mean(tape.list([plain, x])),
    ]
    for (index, result) in results.enumerated() { #expect(result.space == space, "\(index)") }
    let spans = RowSpans(offsets: make.integers([0, 1, 4]))
    #expect(tape.spanMean(x, over: spans, in: other).space == other)
    #expect(tape.multiply(plain, plain).space == nil)
    #expect(space != tape.makeRowSpace(groups: make.groups([3, 1])))
  }

  @Test("rows of no space are one micro-batch and one group")
  func withoutSpace() {
    let tape = Tape(arena: make.arena)
    let x = make.random(rows: 5, columns: 4)
    let space = tape.makeRowSpace(groups: make.groups([5]))
    func attend(_ x: Variable) -> [Float] {
      tape.attention(query: x, key: x, value: x).value.values
    }
    expectSameBits(attend(.constant(x)), attend(.constant(x, in: space)), "attention")
    let labels = make.integers([0, 1, 2, 3, 0])
    #expect(tape.crossEntropy(.constant(x), labels: labels, weight: 1).sums.count == 1)
  }
}

/// Each trap with a twin that differs only in what is allowed.
@Suite("Row spaces that do not belong together")
struct RowSpaceRefusalTests {
  /// Two spaces of four rows and two micro-batches each.
  private static func makeSpaces(_ tape: Tape, _ make: TensorFactory) -> (RowSpace, RowSpace) {
    (
      tape.makeRowSpace(segments: make.segments([1, 3])),
      tape.makeRowSpace(segments: make.segments([2, 2]))
    )
  }

  @Test("rows of two spaces are not combined")
  func combination() async {
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      let (a, b) = Self.makeSpaces(tape, make)
      let x = make.random(rows: 4, columns: 2)
      _ = tape.multiply(.constant(x, in: a), .constant(x, in: b))
    }
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      let (a, b) = Self.makeSpaces(tape, make)
      let x = make.random(rows: 4, columns: 2)
      let parts = tape.list([.constant(x), .constant(x, in: a), .constant(x, in: b)])
      _ = tape.concatenateColumns(parts)
    }
    await #expect(processExitsWith: .success) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      let (a, _) = Self.makeSpaces(tape, make)
      let x = make.random(rows: 4, columns: 2)
      _ = tape.multiply(.constant(x, in: a), .constant(x, in: a))
      _ = tape.concatenateColumns(tape.list([.constant(x), .constant(x, in: a)]))
    }
  }

  @Test("a parameter is used on equally many micro-batches, and is not rows itself")
  func uses() async {
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      Self.useWeight(on: [[4], [1, 3]], tape, make)
    }
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      Self.useWeight(on: [[1, 3], [4]], tape, make)
    }
    await #expect(processExitsWith: .success) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      Self.useWeight(on: [[1, 3], [4, 0]], tape, make)
    }
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      let x = Variable.constant(make.random(rows: 4, columns: 4))
      _ = tape.linear(x, weight: x.placed(in: Self.makeSpaces(tape, make).0), bias: nil)
    }
  }

  private static func useWeight(on segments: [[Int]], _ tape: Tape, _ make: TensorFactory) {
    tape.reset(recording: true)
    let weight = Variable(
      make.random(rows: 2, columns: 2), slot: tape.arena.store(GradientSlot()))
    for lengths in segments {
      let space = tape.makeRowSpace(segments: make.segments(lengths))
      let x = Variable.constant(make.random(rows: 4, columns: 2), in: space)
      _ = tape.randomLoss(tape.linear(x, weight: weight, bias: nil))
    }
    tape.backward()
  }

  @Test("a space has groups within its micro-batches, and as many rows as its tensors")
  func spaces() async {
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      _ = tape.makeRowSpace(segments: make.segments([2, 2]), groups: make.groups([1, 2, 1]))
    }
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      _ = tape.makeRowSpace(segments: make.segments([2, 2]), groups: make.groups([2]))
    }
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      let space = tape.makeRowSpace(segments: make.segments([2, 2]))
      _ = Variable.constant(make.random(rows: 3, columns: 1), in: space)
    }
    await #expect(processExitsWith: .success) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      let space = tape.makeRowSpace(
        segments: make.segments([0, 2, 0, 2]), groups: make.groups([0, 1, 1, 0, 2]))
      _ = Variable.constant(make.random(rows: 4, columns: 1), in: space)
    }
  }

  @Test("spans stay within their micro-batch")
  func spans() async {
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      Self.takeMeans(of: [2, 2], at: [0, 1, 3], [2, 0], tape, make)
    }
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      Self.takeMeans(of: [2, 2], at: [0, 1, 4], [2], tape, make)
    }
    await #expect(processExitsWith: .success) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      Self.takeMeans(of: [2, 2], at: [0, 2, 4], [1, 1], tape, make)
    }
  }

  private static func takeMeans(
    of tokens: [Int], at offsets: [Int], _ utterances: [Int], _ tape: Tape, _ make: TensorFactory
  ) {
    let x = Variable.constant(
      make.random(rows: 4, columns: 2),
      in: tape.makeRowSpace(segments: make.segments(tokens)))
    _ = tape.spanMean(
      x, over: RowSpans(offsets: make.integers(offsets)),
      in: tape.makeRowSpace(segments: make.segments(utterances)))
  }

  @Test("dropout needs groups with identifiers")
  func dropout() async {
    await #expect(processExitsWith: .failure) {
      let (tape, make) = (Tape(arena: StepArena()), TensorFactory())
      let randomness = Dropout.Randomness(seed: 1, step: 1, probability: 0.5)
      _ = tape.dropout(
        .constant(make.random(rows: 3, columns: 1)), layer: Dropout(layer: "a"),
        randomness: randomness)
    }
  }
}
