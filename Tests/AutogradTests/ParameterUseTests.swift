import Autograd
import TensorCore
import TestSupport
import Testing

/// Parameters that are used several times in a pass of several micro-batches.
@Suite("Uses of parameters")
struct ParameterUseTests {
  /// A loss over rows x [N, 4] of whole groups, and the shapes of its parameters.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let shapes: [[Int]]
    let loss: @Sendable (Tape, _ x: Variable, _ parameters: [Variable]) -> Variable
  }

  static let cases = [
    Case(testDescription: "weight and bias", shapes: [[4, 4], [1, 4]]) { tape, x, p in
      tape.linear(
        tape.tanh(tape.linear(x, weight: p[0], bias: p[1])), weight: p[0], bias: p[1])
    },
    Case(testDescription: "weight of three, one without a gradient", shapes: [[4, 4]]) {
      tape, x, p in
      let zero = tape.arena.zeros(rows: 1, columns: 4)
      func map(_ x: Variable) -> Variable { tape.linear(x, weight: p[0], bias: .constant(zero)) }
      let first = map(x)
      _ = map(tape.sigmoid(x))
      let last = map(tape.gelu(first))
      _ = map(last)
      return tape.weightedSum(tape.list([first, last]), weights: nil)
    },
    Case(testDescription: "scale and shift", shapes: [[1, 4], [1, 4]]) { tape, x, p in
      let once = tape.layerNorm(x, gamma: p[0], beta: p[1], epsilon: 0.1)
      return tape.layerNorm(tape.tanh(once), gamma: p[0], beta: p[1], epsilon: 0.1)
    },
    Case(testDescription: "one row as scale, shift and bias", shapes: [[1, 4], [4, 4]]) {
      tape, x, p in
      let once = tape.layerNorm(x, gamma: p[0], beta: p[0], epsilon: 0.1)
      return tape.linear(tape.tanh(once), weight: p[1], bias: p[0])
    },
    Case(testDescription: "table", shapes: [[5, 4]]) { tape, x, p in
      func ids(_ factor: Float) -> UnsafeBufferPointer<Int> {
        let ids = tape.arena.allocate(Int.self, count: x.value.rows)
        for row in ids.indices {
          ids.initializeElement(at: row, to: Int(abs(factor * x.value.row(row)[0])) % 4)
        }
        return UnsafeBufferPointer(ids)
      }
      let product = tape.multiply(
        tape.lookup(ids(10), in: p[0], space: x.space),
        tape.lookup(ids(70), in: p[0], space: x.space))
      return tape.multiply(product, x)
    },
    Case(testDescription: "LSTM", shapes: [[8, 4], [8, 2], [1, 8], [1, 8]]) { tape, x, p in
      let weights = RecurrentWeights(
        input: p[0], recurrent: p[1], inputBias: p[2], recurrentBias: p[3])
      let once = tape.lstm(x, forward: weights, reverse: weights)
      return tape.lstm(once, forward: weights, reverse: weights)
    },
    Case(testDescription: "GRU", shapes: [[6, 4], [6, 2], [1, 6], [1, 6]]) { tape, x, p in
      let weights = RecurrentWeights(
        input: p[0], recurrent: p[1], inputBias: p[2], recurrentBias: p[3])
      let once = tape.gru(x, forward: weights, reverse: weights)
      return tape.gru(once, forward: weights, reverse: weights)
    },
  ]

  /// The groups of each micro-batch; one has no rows.
  private static let microBatches = [[2, 3], [4], [], [1, 5, 2], [7]]

  let make = TensorFactory(seed: 36)

  @Test("one pass has the bits of a pass for each micro-batch", arguments: cases)
  func sameBits(of tested: Case) {
    let parameters = tested.shapes.map { make.random(rows: $0[0], columns: $0[1]) }
    let rows = Self.microBatches.map { $0.reduce(0, +) }
    let x = make.random(rows: rows.reduce(0, +), columns: 4)
    let direction = make.random(rows: x.rows, columns: 4)
    let joined = gradients(
      of: tested, parameters, x, direction, groups: Self.microBatches.flatMap { $0 }, rows)
    var first = 0
    let alone = zip(Self.microBatches, rows).map { lengths, count in
      let part = first..<first + count
      first += count
      return gradients(
        of: tested, parameters, x.rows(part), direction.rows(part), groups: lengths, [count])
    }
    expectSameBits(joined, tree(alone), tested.testDescription)
  }

  @Test("within a micro-batch the rows of the first use come first")
  func order() {
    let xs = (0..<3).map { _ in make.random(rows: 5, columns: 4) }
    let directions = (0..<3).map { _ in make.random(rows: 5, columns: 3) }
    let arena = StepArena()
    let tape = Tape(arena: arena)
    tape.reset(recording: true)
    let space = tape.makeRowSpace(segments: make.segments([2, 0, 3]))
    let weight = Variable(make.random(rows: 3, columns: 4), slot: arena.store(GradientSlot()))
    let bias = Variable.constant(make.random(rows: 1, columns: 3))
    for (x, direction) in zip(xs, directions) {
      _ = tape.projection(
        tape.linear(.constant(x, in: space), weight: weight, bias: bias), onto: direction)
    }
    tape.backward()
    func regrouped(_ parts: [Tensor]) -> Tensor {
      let values = [0..<2, 2..<5].flatMap { rows in parts.flatMap { $0.rows(rows).values } }
      return make.tensor(values, rows: 15, columns: parts[0].columns)
    }
    let expected = make.random(rows: 3, columns: 4)
    LinearProducts.reproducible.weightGradient(
      regrouped(directions), regrouped(xs), segments: make.segments([6, 0, 9]), into: expected,
      accumulate: false, arena: arena, workers: .single)
    expectSameBits(weight.gradient?.values ?? [], expected.values, "weight")
  }

  @Test("gradients", arguments: cases)
  func areRight(of tested: Case) {
    let parameters = tested.shapes.map { make.random(rows: $0[0], columns: $0[1]) }
    let x = make.random(rows: 9, columns: 4)
    // The rows stay as they are: one case derives numbers of a table from them.
    GradientCheck(
      [x] + parameters, isDifferentiated: [false] + parameters.map { _ in true }
    ) { tape, v in
      let space = tape.makeRowSpace(
        segments: make.segments([2, 0, 3, 4]), groups: make.groups([2, 3, 4]))
      return tape.randomLoss(tested.loss(tape, v[0].placed(in: space), Array(v[1...])))
    }.expectRight(tested.testDescription)
  }

  @Test("a weight that other operations depend on has its gradient before they are reached")
  func computedWeight() {
    let x = make.random(rows: 5, columns: 4)
    let source = make.random(rows: 4, columns: 4)
    let bias = make.random(rows: 1, columns: 4)
    GradientCheck([x, source, bias]) { tape, v in
      let weight = tape.tanh(v[1])
      let once = tape.linear(v[0], weight: weight, bias: v[2])
      let twice = tape.linear(tape.gelu(once), weight: weight, bias: v[2])
      _ = tape.linear(twice, weight: weight, bias: v[2])
      return tape.randomLoss(twice)
    }.expectRight("computed weight")
  }

  @Test("a weight whose uses no loss depends on stays unwritten, also in the next pass")
  func unusedWeight() {
    let arena = StepArena()
    let tape = Tape(arena: arena)
    let slot = UnsafeMutablePointer<GradientSlot>.allocate(capacity: 1)
    defer { slot.deallocate() }
    let memory = make.random(rows: 3, columns: 3)
    slot.initialize(to: GradientSlot(pointer: memory.pointer))
    let weight = Variable(make.random(rows: 3, columns: 3), slot: slot)
    let x = make.random(rows: 2, columns: 3)
    let zero = Variable.constant(make.row([0, 0, 0]))
    // A pass whose uses are never reached.
    tape.reset(recording: true)
    _ = tape.linear(.constant(x), weight: weight, bias: zero)
    for isUsed in [false, true] {
      tape.reset(recording: true)
      let y = tape.linear(.constant(x), weight: weight, bias: zero)
      let z = tape.linear(y, weight: weight, bias: zero)
      if isUsed { _ = tape.randomLoss(z) }
      if isUsed { slot.pointee.begin(in: memory.pointer) }
      tape.backward()
      #expect((weight.gradient != nil) == isUsed)
    }
  }

  private func gradients(
    of tested: Case, _ parameters: [Tensor], _ x: Tensor, _ direction: Tensor, groups: [Int],
    _ segments: [Int]
  ) -> [Float] {
    let arena = StepArena()
    let tape = Tape(arena: arena)
    tape.reset(recording: true)
    let space = tape.makeRowSpace(
      segments: make.segments(segments), groups: make.groups(groups))
    let variables = parameters.map { Variable($0, slot: arena.store(GradientSlot())) }
    let y = tested.loss(tape, .constant(x, in: space), variables)
    _ = tape.projection(y, onto: direction)
    tape.backward()
    return zip(parameters, variables).flatMap { parameter, variable in
      variable.gradient?.values ?? [Float](repeating: 0, count: parameter.count)
    }
  }

  /// `((0 + 1) + (2 + 3)) + 4`.
  private func tree(_ leaves: [[Float]]) -> [Float] {
    func sum(_ a: [Float], _ b: [Float]) -> [Float] { zip(a, b).map { $0 + $1 } }
    return sum(sum(sum(leaves[0], leaves[1]), sum(leaves[2], leaves[3])), leaves[4])
  }
}
