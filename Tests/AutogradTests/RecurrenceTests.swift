import Autograd
import TensorCore
import TestSupport
import Testing

/// The LSTM and the GRU as operations on a tape.
@Suite("Recurrences")
struct RecurrenceTests {
  enum Kind: CaseIterable, Sendable {
    case lstm, gru

    var gateCount: Int { self == .lstm ? 4 : 3 }

    func callAsFunction(
      _ tape: Tape, _ x: Variable, _ forward: RecurrentWeights, _ reverse: RecurrentWeights?
    ) -> Variable {
      switch self {
      case .lstm: tape.lstm(x, forward: forward, reverse: reverse)
      case .gru: tape.gru(x, forward: forward, reverse: reverse)
      }
    }

    /// W_ih, W_hh, b_ih and b_hh.
    func makeWeights(
      _ make: TensorFactory, inputs: Int, hidden: Int, scale: Float = 1
    ) -> [Tensor] {
      let gates = gateCount * hidden
      return [(gates, inputs), (gates, hidden), (1, gates), (1, gates)].map {
        make.random(rows: $0.0, columns: $0.1, scale: scale)
      }
    }
  }

  let make = TensorFactory(seed: 38)

  private func weights(_ v: ArraySlice<Variable>) -> RecurrentWeights {
    let v = Array(v)
    return RecurrentWeights(input: v[0], recurrent: v[1], inputBias: v[2], recurrentBias: v[3])
  }

  @Test(
    "gradients of both directions", arguments: Kind.allCases, [[1], [1, 1], [6], [2, 5, 1, 3]])
  func bidirectional(kind: Kind, lengths: [Int]) {
    let groups = make.groups(lengths)
    let x = make.random(rows: groups.rowCount, columns: 3)
    let tensors = (0..<2).flatMap { _ in kind.makeWeights(make, inputs: 3, hidden: 5) }
    GradientCheck([x] + tensors) { tape, v in
      let x = v[0].placed(in: tape.makeRowSpace(groups: groups))
      return tape.randomLoss(kind(tape, x, weights(v[1..<5]), weights(v[5..<9])))
    }.expectRight("\(kind) over \(lengths)")
  }

  @Test("gradients of one direction", arguments: Kind.allCases, [[1], [2, 5, 1]])
  func unidirectional(kind: Kind, lengths: [Int]) {
    let groups = make.groups(lengths)
    let x = make.random(rows: groups.rowCount, columns: 3)
    GradientCheck([x] + kind.makeWeights(make, inputs: 3, hidden: 5)) { tape, v in
      let x = v[0].placed(in: tape.makeRowSpace(groups: groups))
      return tape.randomLoss(kind(tape, x, weights(v[1...]), nil))
    }.expectRight("\(kind) over \(lengths)")
  }

  @Test("one direction is the first half of both", arguments: Kind.allCases)
  func halves(kind: Kind) {
    let tape = Tape(arena: make.arena)
    let x = Variable.constant(
      make.random(rows: 7, columns: 3), in: tape.makeRowSpace(groups: make.groups([4, 1, 2])))
    let v = kind.makeWeights(make, inputs: 3, hidden: 5).map { Variable.constant($0) }
    let both = kind(tape, x, weights(v[...]), weights(v[...])).value
    let half = make.random(rows: 7, columns: 5)
    Elementwise.extractColumns(both, first: 0, into: half, accumulate: false)
    expectSameBits(kind(tape, x, weights(v[...]), nil).value.values, half.values, "\(kind)")
  }

  @Test("weights are shared by directions, inputs by calls", arguments: Kind.allCases)
  func accumulation(kind: Kind) {
    let groups = make.groups([2, 3])
    let x = make.random(rows: 5, columns: 4)
    GradientCheck([x] + kind.makeWeights(make, inputs: 4, hidden: 2)) { tape, v in
      let weights = weights(v[1...])
      let x = v[0].placed(in: tape.makeRowSpace(groups: groups))
      let once = kind(tape, x, weights, weights)
      let twice = kind(tape, once, weights, weights)
      return tape.randomLoss(tape.concatenateColumns(tape.list([once, twice, v[0]])))
    }.expectRight("\(kind)")
  }

  @Test("bits do not depend on the number of workers", arguments: Kind.allCases)
  func workers(kind: Kind) {
    // Each direction is a chain of products of its own, on one thread of the product library.
    BLASLibrary.setThreadCount(1)
    let groups = make.groups([7, 1, 12])
    let x = make.random(rows: 20, columns: 30)
    let tensors = kind.makeWeights(make, inputs: 30, hidden: 16, scale: 0.3)
    func gradients(workers: Int) -> [Float] {
      let arena = StepArena()
      let tape = Tape(arena: arena, workers: Workers(count: workers))
      tape.reset(recording: true)
      let v = ([x] + tensors + tensors).map { Variable($0, slot: arena.store(GradientSlot())) }
      let rows = v[0].placed(in: tape.makeRowSpace(groups: groups))
      let y = kind(tape, rows, weights(v[1..<5]), weights(v[5..<9]))
      _ = tape.randomLoss(y)
      tape.backward()
      return y.value.values + v.flatMap { $0.gradient?.values ?? [] }
    }
    let single = gradients(workers: 1)
    let gates = 16 * kind.gateCount
    #expect(single.count == 20 * 32 + 20 * 30 + 2 * gates * (30 + 16 + 2))
    for count in [2, 3] { expectSameBits(gradients(workers: count), single, "\(count) workers") }
  }
}
