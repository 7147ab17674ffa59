import TestSupport
import Testing

@testable import TensorCore

@Suite("LSTM and GRU kernels against the equations")
struct RecurrentKernelTests {
  let make = TensorFactory(seed: 19)

  private func weights(
    _ kind: NaiveRecurrence.Kind, inputs: Int, hidden: Int
  ) -> (RecurrentTensors, NaiveWeights) {
    let gates = kind.gateCount * hidden
    let tensors = [
      make.random(rows: gates, columns: inputs),
      make.random(rows: gates, columns: hidden, scale: 0.5),
      make.random(rows: 1, columns: gates), make.random(rows: 1, columns: gates),
    ]
    let naive = NaiveWeights(
      input: Matrix(tensors[0]), recurrent: Matrix(tensors[1]), inputBias: Matrix(tensors[2]),
      recurrentBias: Matrix(tensors[3]))
    let weights = RecurrentTensors(
      input: tensors[0], recurrent: tensors[1], inputBias: tensors[2], recurrentBias: tensors[3])
    return (weights, naive)
  }

  private static let lengths = [[1], [4], [1, 3, 2], [2, 5, 1, 2, 3], [0, 2], [3, 3]]

  @Test("LSTM, forward and all gradients", arguments: lengths, [false, true])
  func lstm(lengths: [Int], reverse: Bool) {
    check(LSTMDirection.self, .lstm, lengths: lengths, reverse: reverse)
  }

  @Test("GRU, forward and all gradients", arguments: lengths, [false, true])
  func gru(lengths: [Int], reverse: Bool) {
    check(GRUDirection.self, .gru, lengths: lengths, reverse: reverse)
  }

  private func check<Direction: RecurrentDirection>(
    _ type: Direction.Type, _ kind: NaiveRecurrence.Kind, lengths: [Int], reverse: Bool
  ) {
    let (inputs, hidden, first) = (3, 9, 2)
    let (weights, naiveWeights) = weights(kind, inputs: inputs, hidden: hidden)
    let naive = NaiveRecurrence(kind: kind, weights: naiveWeights)
    let groups = make.groups(lengths)
    let ranges = (0..<groups.count).map(groups.rows(of:))
    let x = make.random(rows: groups.rowCount, columns: inputs, scale: 2)
    let upstream = make.random(rows: groups.rowCount, columns: first + hidden)
    let direction = Direction(
      reverse: reverse, order: TimeMajor(groups, arena: make.arena), hiddenWidth: hidden,
      arena: make.arena)
    let output = make.arena.zeros(rows: groups.rowCount, columns: first + hidden)
    direction.projectInputs(
      x, weights, products: .reproducible, arena: make.arena, workers: .single)
    direction.forward(
      packedRecurrent: PanelMatrix(packingTransposeOf: weights.recurrent, arena: make.arena),
      into: output, firstColumn: first)

    // A gate adds 12 rounded products and goes through functions with a few units of error; up to
    // five steps follow one another.
    let tolerance = 20 * sumTolerance(inputs + hidden)
    let wanted = naive.run(Matrix(x), groups: ranges, reverse: reverse)
    let half = make.arena.tensor(rows: groups.rowCount, columns: hidden)
    Elementwise.extractColumns(output, first: first, into: half, accumulate: false)
    expectClose(half.values, wanted.floats, tolerance: tolerance, floor: 1, "h")

    Elementwise.extractColumns(upstream, first: first, into: half, accumulate: false)
    func loss(_ naive: NaiveRecurrence, _ x: Matrix) -> Double {
      naive.run(x, groups: ranges, reverse: reverse).dot(Matrix(half))
    }
    func gradient(_ path: WritableKeyPath<NaiveWeights, Matrix>) -> Matrix {
      numericalGradient(at: naive.weights[keyPath: path]) { moved in
        var changed = naive
        changed.weights[keyPath: path] = moved
        return loss(changed, Matrix(x))
      }
    }
    direction.backward(
      upstream, packedRecurrent: PanelMatrix(packing: weights.recurrent, arena: make.arena),
      firstColumn: first)
    let gates = direction.gateGradients(arena: make.arena)
    let (inputGates, recurrentGates) = (Matrix(gates.input), Matrix(gates.recurrent))
    let preceding = Matrix(direction.precedingHidden(arena: make.arena))
    var ones = Matrix(rows: 1, columns: inputGates.rows)
    for row in 0..<inputGates.rows { ones[0, row] = 1 }
    for (name, actual, wanted) in [
      ("W_ih", Naive.product(inputGates.transposed, Matrix(x)), gradient(\.input)),
      ("W_hh", Naive.product(recurrentGates.transposed, preceding), gradient(\.recurrent)),
      ("b_ih", Naive.product(ones, inputGates), gradient(\.inputBias)),
      ("b_hh", Naive.product(ones, recurrentGates), gradient(\.recurrentBias)),
      (
        "x", Naive.product(inputGates, Matrix(weights.input)),
        numericalGradient(at: Matrix(x)) { loss(naive, $0) }
      ),
    ] {
      expectClose(actual.floats, wanted.floats, tolerance: tolerance, floor: 1, name)
    }
  }

  @Test("time-major order takes long groups first and keeps ties in order")
  func timeMajor() {
    let order = TimeMajor(make.groups([2, 3, 1, 3, 0]), arena: make.arena)
    // Rows: group 0 has 0-1, 1 has 2-4, 2 has 5, 3 has 6-8, 4 has none.
    #expect(Array(order.forwardRows) == [2, 6, 0, 5, 3, 7, 1, 4, 8])
    #expect(Array(order.reverseRows) == [4, 8, 1, 5, 3, 7, 0, 2, 6])
    #expect(Array(order.starts) == [0, 4, 7, 9])
    #expect(order.stepCount == 3 && order.rowCount == 9)
    #expect(order.positions(of: 1) == 4..<7)
  }

  @Test("no groups at all")
  func empty() {
    checkEmpty(LSTMDirection.self, .lstm)
    checkEmpty(GRUDirection.self, .gru)
  }

  private func checkEmpty<Direction: RecurrentDirection>(
    _ type: Direction.Type, _ kind: NaiveRecurrence.Kind
  ) {
    let order = TimeMajor(make.groups([]), arena: make.arena)
    #expect(order.stepCount == 0 && order.rowCount == 0)
    let (weights, _) = weights(kind, inputs: 3, hidden: 2)
    let direction = Direction(
      reverse: false, order: order, hiddenWidth: 2, arena: make.arena)
    let none = make.arena.tensor(rows: 0, columns: 3)
    direction.projectInputs(
      none, weights, products: .reproducible, arena: make.arena, workers: .single)
    let packed = PanelMatrix(packing: weights.recurrent, arena: make.arena)
    direction.backward(none, packedRecurrent: packed, firstColumn: 0)
    #expect(direction.gateGradients(arena: make.arena).recurrent.count == 0)
    #expect(direction.precedingHidden(arena: make.arena).count == 0)
  }

  @Test("weights of another number of gates are refused")
  func refusals() async {
    await #expect(processExitsWith: .failure) {
      let make = TensorFactory()
      let direction = GRUDirection(
        reverse: false, order: TimeMajor(make.groups([1]), arena: make.arena), hiddenWidth: 2,
        arena: make.arena)
      let row = make.random(rows: 1, columns: 6)
      let weights = RecurrentTensors(
        input: make.random(rows: 8, columns: 3), recurrent: make.random(rows: 8, columns: 2),
        inputBias: row, recurrentBias: row)
      direction.check(weights, hiddenWidth: 2)
    }
  }

  @Test("gathering and scattering are inverse")
  func gatherAndScatter() {
    let groups = make.groups([3, 1, 4])
    let order = TimeMajor(groups, arena: make.arena)
    let source = make.random(rows: 8, columns: 9)
    for rows in [order.forwardRows, order.reverseRows] {
      let gathered = make.random(rows: 8, columns: 5)
      TimeMajor.gather(source, rows: rows, into: gathered, firstColumn: 2)
      let back = make.arena.zeros(rows: 8, columns: 9)
      TimeMajor.scatter(gathered, rows: rows, into: back, firstColumn: 2)
      TimeMajor.scatter(gathered, rows: rows, into: back, firstColumn: 2, accumulate: true)
      for row in 0..<8 {
        for column in 0..<9 {
          let expected = (2..<7).contains(column) ? 2 * source.row(row)[column] : 0
          #expect(back.row(row)[column] == expected)
        }
      }
    }
  }
}
