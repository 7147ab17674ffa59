import TensorCore
import TestSupport
import Testing

@Suite("Matrix products against plain loops")
struct MatrixProductTests {
  let make = TensorFactory(seed: 13)

  struct Shape: Sendable, CustomTestStringConvertible {
    let m: Int
    let k: Int
    let n: Int
    var testDescription: String { "[\(m), \(k)] x [\(k), \(n)]" }

    static let all = [
      (1, 1, 1), (3, 7, 9), (8, 8, 8), (9, 31, 7), (1, 300, 31), (31, 1, 301), (5, 301, 24),
      (7, 0, 9), (0, 5, 3), (3, 5, 0),
    ].map { Shape(m: $0.0, k: $0.1, n: $0.2) }
  }

  @Test("both factors as stored and transposed, inside larger matrices", arguments: Shape.all)
  func product(shape: Shape) {
    for variant in 0..<8 {
      let (transposesA, transposesB) = (variant & 1 == 1, variant & 2 == 2)
      let accumulate = variant & 4 == 4
      let a = make.random(
        rows: transposesA ? shape.k : shape.m, columns: transposesA ? shape.m : shape.k)
      let b = make.random(
        rows: transposesB ? shape.n : shape.k, columns: transposesB ? shape.k : shape.n)
      // The result is a block of a wider matrix, whose other columns must not change.
      let whole = make.random(rows: shape.m, columns: shape.n + 3)
      let block = MatrixBlock(
        whole.pointer + 2, rows: shape.m, columns: shape.n, stride: whole.columns)
      var expected = Matrix(whole)
      let exact = Naive.product(
        transposesA ? Matrix(a).transposed : Matrix(a),
        transposesB ? Matrix(b).transposed : Matrix(b))
      for row in 0..<shape.m {
        for column in 0..<shape.n {
          let before = accumulate ? expected[row, column + 2] : 0
          expected[row, column + 2] = before + 0.5 * exact[row, column]
        }
      }
      MatrixProduct.multiply(
        transposesA ? a.transposed : a.block, transposesB ? b.transposed : b.block, into: block,
        accumulate: accumulate, scale: 0.5)
      expectClose(
        whole.values, expected.floats, tolerance: sumTolerance(shape.k), floor: 1,
        "\(shape.testDescription), variant \(variant)")
    }
  }

  @Test("BLAS says what it is")
  func library() {
    #expect(!BLASLibrary.kernelName.isEmpty)
    #expect(BLASLibrary.configuration.contains("OpenBLAS"))
    #expect(BLASLibrary.threadCount >= 1)
  }
}

@Suite("Products with packed panels")
struct PanelMatrixTests {
  let make = TensorFactory(seed: 14)

  @Test(
    "against plain loops, packed as stored and transposed",
    arguments: [1, 3, 8, 23, 24, 25, 47, 49, 300], [0, 1, 7, 31, 300])
  func product(columns: Int, depth: Int) {
    let weights = make.random(rows: depth, columns: columns)
    let stored = PanelMatrix(packing: weights, arena: make.arena)
    let transposed = make.tensor(Matrix(weights).transposed.floats, rows: columns, columns: depth)
    let packedTranspose = PanelMatrix(packingTransposeOf: transposed, arena: make.arena)
    #expect(stored.depth == depth && stored.columns == columns)
    for rows in [0, 1, 4, 6] {
      let a = make.random(rows: rows, columns: depth)
      let exact = Naive.product(Matrix(a), Matrix(weights))
      let c = make.random(rows: rows, columns: columns)
      for accumulate in [false, true] {
        let expected = accumulate ? Matrix(c).adding(exact) : exact
        stored.multiply(a, into: c, accumulate: accumulate)
        expectClose(
          c.values, expected.floats, tolerance: sumTolerance(depth), floor: 1, "\(rows) rows")
      }
      let other = make.random(rows: rows, columns: columns)
      packedTranspose.multiply(a, into: other, accumulate: false)
      let again = make.random(rows: rows, columns: columns)
      stored.multiply(a, into: again, accumulate: false)
      expectSameBits(other.values, again.values, "packed from the transpose")
    }
  }

  @Test("a row's bits do not depend on the rows beside it", arguments: [25, 48, 300])
  func rowsAreIndependent(columns: Int) {
    let depth = 301
    let packed = PanelMatrix(packing: make.random(rows: depth, columns: columns), arena: make.arena)
    let a = make.random(rows: 9, columns: depth)
    func product(_ rows: Range<Int>) -> [Float] {
      let c = make.arena.tensor(rows: rows.count, columns: columns)
      packed.multiply(a.rows(rows), into: c, accumulate: false)
      return c.values
    }
    let alone = (0..<9).map { product($0..<$0 + 1) }
    for count in 1...9 {
      for first in 0...9 - count {
        let together = product(first..<first + count)
        expectSameBits(
          together, alone[first..<first + count].flatMap { $0 }, "rows \(first) and \(count) on")
      }
    }
  }
}
