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
      reverse: reverse, order: TimeMajor(groups, arena: make.arena), inputWidth: inputs,
      hiddenWidth: hidden, arena: make.arena)
    let output = make.arena.zeros(rows: groups.rowCount, columns: first + hidden)
    direction.forward(
      x, weights,
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
    for accumulate in [false, true] {
      check("W_ih", gradient(\.input), accumulate, tolerance) {
        direction.inputWeightGradient(into: $0, accumulate: accumulate)
      }
      check("W_hh", gradient(\.recurrent), accumulate, tolerance) {
        direction.recurrentWeightGradient(into: $0, accumulate: accumulate, arena: make.arena)
      }
      check("b", gradient(\.inputBias), accumulate, tolerance) {
        direction.biasGradient(into: $0, accumulate: accumulate)
      }
    }
    // Taken last, because it overwrites the time-major inputs.
    check("x", numericalGradient(at: Matrix(x)) { loss(naive, $0) }, true, tolerance) {
      direction.inputGradient(weights, into: $0, accumulate: true)
    }
  }

  private func check(
    _ name: String, _ wanted: Matrix, _ accumulate: Bool, _ tolerance: Double,
    _ write: (Tensor) -> Void
  ) {
    let target = make.random(rows: wanted.rows, columns: wanted.columns)
    let expected = accumulate ? Matrix(target).adding(wanted) : wanted
    write(target)
    expectClose(
      target.values, expected.floats, tolerance: tolerance, floor: 1,
      "\(name), accumulate \(accumulate)")
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
      reverse: false, order: order, inputWidth: 3, hiddenWidth: 2, arena: make.arena)
    let packed = PanelMatrix(packing: weights.recurrent, arena: make.arena)
    let none = make.arena.tensor(rows: 0, columns: 3)
    direction.backward(none, packedRecurrent: packed, firstColumn: 0)
    let gradient = make.random(rows: 8, columns: 3)
    direction.inputWeightGradient(into: gradient, accumulate: false)
    #expect(gradient.values.allSatisfy { $0 == 0 })
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
