import TestSupport
import Testing

@testable import TensorCore

@Suite("LSTM kernels against the equations")
struct LSTMKernelTests {
  let make = TensorFactory(seed: 19)

  private func weights(inputs: Int, hidden: Int) -> (LSTMDirection.Weights, NaiveLSTM) {
    let tensors = [
      make.random(rows: 4 * hidden, columns: inputs),
      make.random(rows: 4 * hidden, columns: hidden, scale: 0.5),
      make.random(rows: 1, columns: 4 * hidden), make.random(rows: 1, columns: 4 * hidden),
    ]
    let naive = NaiveLSTM(
      input: Matrix(tensors[0]), recurrent: Matrix(tensors[1]), inputBias: Matrix(tensors[2]),
      recurrentBias: Matrix(tensors[3]))
    let weights = LSTMDirection.Weights(
      input: tensors[0], recurrent: tensors[1], inputBias: tensors[2], recurrentBias: tensors[3])
    return (weights, naive)
  }

  @Test(
    "forward and all gradients",
    arguments: [[1], [4], [1, 3, 2], [2, 5, 1, 2, 3], [0, 2], [3, 3]], [false, true])
  func direction(lengths: [Int], reverse: Bool) {
    let (inputs, hidden, first) = (3, 9, 2)
    let (weights, naive) = weights(inputs: inputs, hidden: hidden)
    let groups = make.groups(lengths)
    let ranges = (0..<groups.count).map(groups.rows(of:))
    let x = make.random(rows: groups.rowCount, columns: inputs, scale: 2)
    let upstream = make.random(rows: groups.rowCount, columns: first + hidden)
    let direction = LSTMDirection(
      reverse: reverse, order: TimeMajor(groups, arena: make.arena), hiddenWidth: hidden,
      arena: make.arena)
    let output = make.arena.zeros(rows: groups.rowCount, columns: first + hidden)
    direction.readInputs(
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
    func loss(_ lstm: NaiveLSTM, _ x: Matrix) -> Double {
      lstm.run(x, groups: ranges, reverse: reverse).dot(Matrix(half))
    }
    func gradient(_ path: WritableKeyPath<NaiveLSTM, Matrix>) -> Matrix {
      numericalGradient(at: naive[keyPath: path]) { moved in
        var lstm = naive
        lstm[keyPath: path] = moved
        return loss(lstm, Matrix(x))
      }
    }
    direction.backward(
      upstream, packedRecurrent: PanelMatrix(packing: weights.recurrent, arena: make.arena),
      firstColumn: first)
    let gates = Matrix(direction.gateGradients(arena: make.arena))
    let preceding = Matrix(direction.precedingHidden(arena: make.arena))
    var ones = Matrix(rows: 1, columns: gates.rows)
    for row in 0..<gates.rows { ones[0, row] = 1 }
    for (name, actual, wanted) in [
      ("W_ih", Naive.product(gates.transposed, Matrix(x)), gradient(\.input)),
      ("W_hh", Naive.product(gates.transposed, preceding), gradient(\.recurrent)),
      ("b", Naive.product(ones, gates), gradient(\.inputBias)),
      (
        "x", Naive.product(gates, Matrix(weights.input)),
        numericalGradient(at: Matrix(x)) { loss(naive, $0) }
      ),
    ] {
      expectClose(actual.floats, wanted.floats, tolerance: tolerance, floor: 1, name)
    }
  }

  @Test("time-major order takes long dialogues first and keeps ties in order")
  func timeMajor() {
    let order = TimeMajor(make.groups([2, 3, 1, 3, 0]), arena: make.arena)
    // Rows: dialogue 0 has 0-1, 1 has 2-4, 2 has 5, 3 has 6-8, 4 has none.
    #expect(Array(order.forwardRows) == [2, 6, 0, 5, 3, 7, 1, 4, 8])
    #expect(Array(order.reverseRows) == [4, 8, 1, 5, 3, 7, 0, 2, 6])
    #expect(Array(order.starts) == [0, 4, 7, 9])
    #expect(order.stepCount == 3 && order.rowCount == 9)
    #expect(order.positions(of: 1) == 4..<7)
  }

  @Test("no dialogues at all")
  func empty() {
    let order = TimeMajor(make.groups([]), arena: make.arena)
    #expect(order.stepCount == 0 && order.rowCount == 0)
    let (weights, _) = weights(inputs: 3, hidden: 2)
    let direction = LSTMDirection(
      reverse: false, order: order, hiddenWidth: 2, arena: make.arena)
    let packed = PanelMatrix(packing: weights.recurrent, arena: make.arena)
    let none = make.arena.tensor(rows: 0, columns: 3)
    direction.backward(none, packedRecurrent: packed, firstColumn: 0)
    #expect(direction.gateGradients(arena: make.arena).count == 0)
    #expect(direction.precedingHidden(arena: make.arena).count == 0)
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
