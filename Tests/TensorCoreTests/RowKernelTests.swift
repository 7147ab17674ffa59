import TensorCore
import TestSupport
import Testing

/// Kernels that work on whole rows and columns.
@Suite("Row kernels against their naive twins")
struct RowKernelTests {
  let make = TensorFactory(seed: 12)

  @Test("broadcastRow and sumRows", arguments: [0, 1, 4, 9], oddSizes)
  func broadcastAndSum(rows: Int, columns: Int) {
    let bias = make.random(rows: 1, columns: columns)
    let y = make.random(rows: rows, columns: columns)
    Elementwise.broadcastRow(bias, into: y)
    for row in 0..<rows {
      expectSameBits(y.rows(row..<row + 1).values, bias.values, "row \(row)")
    }
    let x = make.random(rows: rows, columns: columns)
    for accumulate in [false, true] {
      let sum = make.random(rows: 1, columns: columns)
      let before = sum.values
      Elementwise.sumRows(
        x, segments: make.segments([rows / 3, 0, rows - rows / 3]), into: sum,
        accumulate: accumulate)
      let expected = (0..<columns).map { column in
        (0..<rows).reduce(accumulate ? Double(before[column]) : 0) {
          $0 + Double(x.row($1)[column])
        }
      }
      expectClose(
        sum.elements.map(Double.init), expected, tolerance: sumTolerance(rows), floor: 1,
        "sumRows [\(rows), \(columns)]")
    }
  }

  @Test("insertColumns and extractColumns are copies", arguments: oddSizes, [0, 1, 5])
  func columns(width: Int, first: Int) {
    let part = make.random(rows: 4, columns: width)
    let whole = make.random(rows: 4, columns: first + width + 2)
    let before = whole.values
    Elementwise.insertColumns(part, into: whole, first: first)
    for row in 0..<4 {
      for column in 0..<whole.columns {
        let isInside = (first..<first + width).contains(column)
        let expected =
          isInside ? part.row(row)[column - first] : before[row * whole.columns + column]
        #expect(whole.row(row)[column] == expected)
      }
    }
    let copy = make.random(rows: 4, columns: width)
    Elementwise.extractColumns(whole, first: first, into: copy, accumulate: false)
    expectSameBits(copy.values, part.values, "extracted")
    Elementwise.extractColumns(whole, first: first, into: copy, accumulate: true)
    expectSameBits(copy.values, part.values.map { 2 * $0 }, "extracted and added")
  }

  @Test("scaleRows and dotRows", arguments: [0, 1, 5], oddSizes)
  func scaleAndDot(rows: Int, columns: Int) {
    let a = make.random(rows: rows, columns: columns)
    let b = make.random(rows: rows, columns: columns)
    let factors = make.random(rows: rows, columns: 1)
    for accumulate in [false, true] {
      let y = make.random(rows: rows, columns: columns)
      var expected = accumulate ? Matrix(y) : Matrix(rows: rows, columns: columns)
      let products = make.random(rows: rows, columns: 1)
      var expectedProducts = accumulate ? Matrix(products) : Matrix(rows: rows, columns: 1)
      for row in 0..<rows {
        for column in 0..<columns {
          expected[row, column] += Double(factors.pointer[row]) * Double(a.row(row)[column])
          expectedProducts[row, 0] += 0.5 * Double(a.row(row)[column]) * Double(b.row(row)[column])
        }
      }
      Elementwise.scaleRows(a, by: factors, into: y, accumulate: accumulate)
      Elementwise.dotRows(a, b, into: products, accumulate: accumulate, scale: 0.5)
      expectClose(y.values, expected.floats, tolerance: 4 * unitRoundoff, floor: 1, "scaleRows")
      expectClose(
        products.values, expectedProducts.floats, tolerance: sumTolerance(columns), floor: 1,
        "dotRows")
    }
  }

  @Test("a row's inner product has the same bits wherever the row lies")
  func dotAlignment() {
    let a = make.values(301)
    let b = make.values(301)
    func product(lane: Int) -> [Float] {
      let result = make.arena.zeros(rows: 1, columns: 1)
      Elementwise.dotRows(
        make.tensor(a, rows: 1, columns: 301, lane: lane),
        make.tensor(b, rows: 1, columns: 301, lane: 2 * lane), into: result, accumulate: false)
      return result.values
    }
    for lane in 1...7 { expectSameBits(product(lane: lane), product(lane: 0), "lane \(lane)") }
  }

  @Test("layer normalisation, forward and backward", arguments: [1, 3, 7, 8, 9, 31, 300, 301])
  func layerNorm(width: Int) {
    let rows = 3
    let x = make.random(rows: rows, columns: width, scale: 4)
    let gamma = make.random(rows: 1, columns: width)
    let beta = make.random(rows: 1, columns: width)
    let dy = make.random(rows: rows, columns: width)
    let normalized = make.random(rows: rows, columns: width)
    let reciprocals = make.random(rows: rows, columns: 1)
    let y = make.random(rows: rows, columns: width)
    let epsilon: Float = 1e-3
    func naive(_ x: Matrix, _ gamma: Matrix) -> Matrix {
      Naive.layerNorm(x, gamma: gamma, beta: Matrix(beta), epsilon: Double(epsilon))
    }
    Normalization.forward(
      x, gamma: gamma, beta: beta, epsilon: epsilon, normalized: normalized,
      reciprocals: reciprocals, into: y)
    // The centred values lose the digits that the mean has in common with them.
    let tolerance = 4 * sumTolerance(width)
    expectClose(
      y.values, naive(Matrix(x), Matrix(gamma)).floats, tolerance: tolerance, floor: 1, "forward")

    let dx = make.random(rows: rows, columns: width)
    let dgamma = make.random(rows: 1, columns: width)
    for accumulate in [false, true] {
      let (x0, gamma0) = (dx.values, dgamma.values)
      Normalization.backward(
        dy, gamma: gamma, normalized: normalized, reciprocals: reciprocals, into: dx,
        accumulate: accumulate)
      Normalization.scaleGradient(
        dy, normalized: normalized, segments: make.segments([1, rows - 1]), into: dgamma,
        accumulate: accumulate)
      let wantedX = numericalGradient(at: Matrix(x)) { naive($0, Matrix(gamma)).dot(Matrix(dy)) }
      let wantedGamma = numericalGradient(at: Matrix(gamma)) {
        naive(Matrix(x), $0).dot(Matrix(dy))
      }
      let keep: Float = accumulate ? 1 : 0
      expectClose(
        dx.values, zip(wantedX.floats, x0).map { $0 + keep * $1 }, tolerance: tolerance, floor: 1,
        "dx")
      expectClose(
        dgamma.values, zip(wantedGamma.floats, gamma0).map { $0 + keep * $1 },
        tolerance: tolerance, floor: 1, "dgamma")
    }
  }
}
