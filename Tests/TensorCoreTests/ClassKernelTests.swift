import TensorCore
import TestSupport
import Testing

@Suite("Class sums, margins and cosines against their naive twins")
struct ClassKernelTests {
  let make = TensorFactory(seed: 18)

  @Test("sums by class are exact")
  func accumulate() {
    let x = make.random(rows: 7, columns: 9)
    let labels = [2, 0, 2, 2, 0, 3, 2]
    var sums = (0..<36).map(Double.init)
    var expected = sums
    for (row, label) in labels.enumerated() {
      for column in 0..<9 { expected[label * 9 + column] += Double(x.row(row)[column]) }
    }
    sums.withUnsafeMutableBufferPointer {
      ClassSums.add(x, labels: make.integers(labels), into: $0)
    }
    #expect(sums == expected)
  }

  @Test("margin loss and gradient", arguments: [0, 1, 3, 6], [1, 7, 8, 31, 300, 301])
  func margin(rows: Int, width: Int) {
    let x = make.random(rows: rows, columns: width)
    let targets = make.random(rows: 3, columns: width)
    let labels = (0..<rows).map { $0 % 3 }
    // One row on its target, well inside the margin.
    if rows > 1 { x.rows(1..<2).copy(from: targets.rows(1..<2)) }
    let isActive = make.random(rows: rows, columns: 1)
    let margin: Float = 0.05
    func naive(_ x: Matrix) -> Double {
      Naive.margin(x, labels: labels, targets: Matrix(targets), margin: Double(margin))
    }
    let sum = MarginLoss.forward(
      x, labels: make.integers(labels), targets: targets, margin: margin, isActive: isActive)
    expectClose([sum], [naive(Matrix(x))], tolerance: sumTolerance(width), floor: 1, "loss")
    if rows > 1 { #expect(isActive.pointer[1] == 0) }
    for accumulate in [false, true] {
      let dx = make.random(rows: rows, columns: width)
      let wanted = numericalGradient(at: Matrix(x)) { 0.5 * naive($0) }
      let expected = accumulate ? Matrix(dx).adding(wanted) : wanted
      MarginLoss.backward(
        x, labels: make.integers(labels), targets: targets, isActive: isActive, weight: 0.5,
        into: dx, accumulate: accumulate)
      expectClose(dx.values, expected.floats, tolerance: 8 * unitRoundoff, floor: 1, "gradient")
    }
  }

  @Test("cosines, that of a zero row too", arguments: [1, 3, 8, 31, 301])
  func cosines(width: Int) {
    let a = make.random(rows: 4, columns: width)
    let b = make.random(rows: 4, columns: width)
    a.rows(2..<3).fill(0)
    b.rows(3..<4).copy(from: a.rows(3..<4))
    let sums = make.random(rows: 4, columns: 1)
    let expected = (0..<4).map { row in
      Double(sums.pointer[row]) + 0.5 * Naive.cosine(Matrix(a).row(row), Matrix(b).row(row))
    }
    Cosine.addRows(a, b, scale: 0.5, into: sums)
    expectClose(
      sums.values, expected.map(Float.init), tolerance: sumTolerance(width), floor: 1, "cosines")
  }
}
