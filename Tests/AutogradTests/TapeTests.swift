import Autograd
import TensorCore
import TestSupport
import Testing

/// Who writes a gradient, who adds to it, and what is left alone.
@Suite("Tape")
struct TapeTests {
  let make = TensorFactory(seed: 35)

  /// Spans of four rows: a gap, two that overlap and one without rows.
  private var spans: RowSpans {
    RowSpans(starts: make.integers([0, 1, 3, 3]), ends: make.integers([2, 3, 3, 4]))
  }

  @Test("a variable that is used several times collects all contributions")
  func accumulation() {
    let x = make.random(rows: 4, columns: 4)
    let weight = make.random(rows: 4, columns: 4)
    let bias = make.random(rows: 1, columns: 4)
    GradientCheck([x, weight, bias]) { tape, v in
      let y = tape.linear(v[0], weight: v[1], bias: v[2])
      let z = tape.linear(tape.tanh(y), weight: v[1], bias: v[2])
      let sum = tape.weightedSum(tape.list([y, z, v[0], y]), weights: nil)
      return tape.randomLoss(tape.concatenateColumns(tape.list([sum, v[0], tape.gelu(v[0])])))
    }.expectRight("shared variables")
  }

  @Test("what depends on constants alone is a constant")
  func constantResults() {
    let tape = Tape(arena: StepArena())
    tape.reset(recording: true)
    let space = tape.makeRowSpace(segments: make.segments([4]), groups: make.groups([1, 3]))
    let x = Variable.constant(make.random(rows: 4, columns: 3), in: space)
    let weight = tape.makeVariable(rows: 4, columns: 1, in: space)
    let randomness = Dropout.Randomness(seed: 1, step: 1, probability: 0.5)
    let both = tape.concatenateColumns(tape.list(count: 2) { _ in x })
    let dropped = tape.dropout(both, layer: Dropout(layer: "input"), randomness: randomness)
    #expect(both.isConstant && dropped.isConstant && dropped.space == space)
    let mixed = tape.concatenateColumns(tape.list(count: 2) { $0 == 0 ? x : weight })
    #expect(!mixed.isConstant)
  }

  /// Each operation twice on the same input: the second contribution must be added.
  @Test("every operation can add to a gradient")
  func operationsAccumulate() {
    let x = make.random(rows: 4, columns: 6)
    let row = make.random(rows: 1, columns: 6)
    let square = make.random(rows: 6, columns: 6)
    let column = make.random(rows: 4, columns: 1)
    let groups = make.groups([1, 3])
    let randomness = Dropout.Randomness(seed: 1, step: 1, probability: 0.5)
    let operations: [(String, (Tape, [Variable]) -> Variable)] = [
      ("linear", { $0.linear($1[0], weight: $1[2], bias: $1[1]) }),
      ("tanh", { $0.tanh($1[0]) }),
      ("sigmoid", { $0.sigmoid($1[0]) }),
      ("GELU", { $0.gelu($1[0]) }),
      ("ReLU", { $0.relu($0.multiply($1[0], $1[0])) }),
      ("softmax", { $0.softmax($1[0]) }),
      ("product", { $0.multiply($1[0], $1[0]) }),
      ("lookup", { $0.lookup(self.make.integers([2, 0, 2]), in: $1[0], space: nil) }),
      ("layer norm", { $0.layerNorm($1[0], gamma: $1[1], beta: $1[1], epsilon: 0.1) }),
      ("scale rows", { $0.scaleRows($1[0], by: column) }),
      (
        "weighted sum",
        { $0.weightedSum($0.list([$1[0], $1[0]]), weights: $0.list([$1[3], $1[3]])) }
      ),
      ("mean", { $0.mean($0.list([$1[0], $1[0]])) }),
      ("span mean", { $0.spanMean($1[0], over: self.spans, in: nil) }),
      ("concatenation", { $0.concatenateColumns($0.list([$1[0], $1[0]])) }),
      (
        "dropout",
        {
          $0.dropout(
            $1[0].placed(in: $0.makeRowSpace(groups: groups)), layer: Dropout(layer: "a"),
            randomness: randomness)
        }
      ),
      (
        "attention",
        { $0.attention(query: $1[0], key: $0.tanh($1[0]), value: $0.gelu($1[0])) }
      ),
      (
        "attention weights",
        { $0.attentionWeights(query: $1[0], keys: $0.list([$0.tanh($1[0]), $1[0]]))[0] }
      ),
    ]
    for (name, operation) in operations {
      GradientCheck([x, row, square, column]) { tape, v in
        tape.randomLoss(operation(tape, v)) + tape.randomLoss(tape.tanh(operation(tape, v)))
      }.expectRight(name)
    }
  }

  @Test("loss terms add to a gradient")
  func lossesAccumulate() {
    let x = make.random(rows: 4, columns: 6, scale: 3)
    let target = make.random(rows: 4, columns: 6)
    let labels = make.integers([0, 1, 1, 5])
    let groups = make.groups([1, 3])
    let loss = GroupContrastiveLoss(
      positives: .sameRow, temperature: 0.5, averagesPositives: true, viewCount: 2)
    let targets = make.random(rows: 6, columns: 6)
    GradientCheck([x]) { tape, v in
      let x = v[0].placed(in: tape.makeRowSpace(groups: groups))
      let list = tape.list([x, tape.tanh(x)])
      return tape.crossEntropy(v[0], labels: labels, weight: 1).sums.total
        + tape.squaredError(v[0], target: target, weight: 1).total
        + tape.marginLoss(
          v[0], labels: labels, targets: targets, margin: 0.01, weight: 1
        ).total
        + tape.contrastiveLoss(list, loss, weight: 1).total
        + tape.projection(v[0], onto: target)
    }.expectRight("sum of losses")
  }

  @Test("constants get no gradient, and what needs one still gets it")
  func constants() {
    let x = make.random(rows: 3, columns: 4)
    let weight = make.random(rows: 2, columns: 4)
    let bias = make.random(rows: 1, columns: 2)
    for constant in 0..<3 {
      let check = GradientCheck(
        [x, weight, bias], isDifferentiated: (0..<3).map { $0 != constant }
      ) { tape, v in
        tape.randomLoss(tape.linear(v[0], weight: v[1], bias: v[2]))
      }
      check.expectRight("input \(constant) constant")
      #expect(check.gradients().map { $0 == nil } == (0..<3).map { $0 == constant })
    }
  }

  @Test("a branch that no loss depends on stays unwritten")
  func unusedBranch() {
    let arena = StepArena()
    let tape = Tape(arena: arena)
    tape.reset(recording: true)
    let used = Variable(make.random(rows: 2, columns: 3), slot: arena.store(GradientSlot()))
    let unused = Variable(make.random(rows: 2, columns: 3), slot: arena.store(GradientSlot()))
    let y = tape.tanh(used)
    let z = tape.gelu(unused)
    let both = tape.concatenateColumns(tape.list([y, z]))
    _ = tape.randomLoss(y)
    tape.backward()
    #expect(used.gradient != nil && y.gradient != nil)
    #expect(unused.gradient == nil && z.gradient == nil && both.gradient == nil)
  }

  @Test("a gradient goes to the memory that its slot names")
  func gradientMemory() {
    let arena = StepArena()
    let tape = Tape(arena: arena)
    tape.reset(recording: true)
    let memory = make.random(rows: 2, columns: 3)
    let x = Variable(
      make.random(rows: 2, columns: 3), slot: arena.store(GradientSlot(pointer: memory.pointer)))
    #expect(x.gradient == nil)
    let direction = make.random(rows: 2, columns: 3)
    _ = tape.projection(x, onto: direction)
    tape.backward()
    expectSameBits(memory.values, direction.values, "written, not added to what was there")
    #expect(x.gradient?.pointer == memory.pointer)
  }

  @Test("a pass that is not recorded keeps no gradients and gives the same values")
  func notRecording() {
    func run(recording: Bool) -> (values: [Float], bytes: Int) {
      let arena = StepArena()
      let tape = Tape(arena: arena)
      tape.reset(recording: recording)
      #expect(tape.isRecording == recording)
      var y = Variable.constant(make.row([0.5, -1, 2]))
      for _ in 0..<10 { y = tape.tanh(y) }
      return (y.value.values, arena.usedByteCount)
    }
    let (recorded, plain) = (run(recording: true), run(recording: false))
    expectSameBits(plain.values, recorded.values, "values")
    #expect(plain.bytes < recorded.bytes)
  }

  @Test("gradients are the same bits for any number of workers")
  func workers() {
    let x = make.random(rows: 60, columns: 900)
    func gradient(workers: Int) -> [Float] {
      let arena = StepArena()
      let tape = Tape(arena: arena, workers: Workers(count: workers))
      tape.reset(recording: true)
      let variable = Variable(x, slot: arena.store(GradientSlot()))
      let randomness = Dropout.Randomness(seed: 1, step: 1, probability: 0.2)
      let rows = variable.placed(in: tape.makeRowSpace(groups: make.groups([30, 10, 20])))
      let y = tape.dropout(
        tape.tanh(tape.gelu(tape.sigmoid(rows))), layer: Dropout(layer: "a"),
        randomness: randomness)
      _ = tape.randomLoss(y)
      tape.backward()
      return variable.gradient?.values ?? []
    }
    let single = gradient(workers: 1)
    #expect(single.count == 54_000)
    for count in [2, 3] { expectSameBits(gradient(workers: count), single, "\(count) workers") }
  }
}
