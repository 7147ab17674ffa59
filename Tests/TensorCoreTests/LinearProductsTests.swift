import TestSupport
import Testing

@testable import TensorCore

@Suite("Products of a linear map")
struct LinearProductsTests {
  private let make = TensorFactory(seed: 71)

  struct Shape: Sendable, CustomTestStringConvertible {
    let rows: Int
    let inputs: Int
    let outputs: Int
    var testDescription: String { "N \(rows), D \(inputs), E \(outputs)" }

    /// Whole tiles, parts of tiles and panels, more than one block of depth, and nothing.
    static let all = [
      (1, 1, 1), (6, 16, 6), (7, 8, 12), (5, 17, 7), (24, 31, 13), (33, 300, 9), (8, 25, 301),
      (19, 0, 4), (0, 7, 5), (90, 129, 2),
    ].map { Shape(rows: $0.0, inputs: $0.1, outputs: $0.2) }
  }

  @Test(
    "all three agree with plain loops", arguments: Shape.all,
    [LinearProducts.reproducible, .fast])
  func values(shape: Shape, products: LinearProducts) {
    let x = make.random(rows: shape.rows, columns: shape.inputs)
    let weight = make.random(rows: shape.outputs, columns: shape.inputs)
    let dy = make.random(rows: shape.rows, columns: shape.outputs)
    let lengths =
      products.isDeterministic ? [shape.rows / 2, 0, shape.rows - shape.rows / 2] : [shape.rows]
    let segments = make.segments(lengths)
    let y = make.random(rows: shape.rows, columns: shape.outputs)
    let wanted = Matrix(y).adding(Naive.product(Matrix(x), Matrix(weight).transposed))
    products.addForward(x, weight: weight, into: y, arena: make.arena, workers: .single)
    expect(y, wanted, terms: shape.inputs, "y, \(shape.testDescription)")
    for accumulate in [false, true] {
      let dx = make.random(rows: shape.rows, columns: shape.inputs)
      let wantedX = before(dx, accumulate).adding(Naive.product(Matrix(dy), Matrix(weight)))
      products.inputGradient(
        dy, weight: weight, into: dx, accumulate: accumulate, arena: make.arena, workers: .single)
      expect(dx, wantedX, terms: shape.outputs, "dx, \(shape.testDescription), \(accumulate)")

      let dWeight = make.random(rows: shape.outputs, columns: shape.inputs)
      let wantedWeight = before(dWeight, accumulate)
        .adding(Naive.product(Matrix(dy).transposed, Matrix(x)))
      products.weightGradient(
        dy, x, segments: segments, into: dWeight, accumulate: accumulate, arena: make.arena,
        workers: .single)
      expect(
        dWeight, wantedWeight, terms: shape.rows, "dW, \(shape.testDescription), \(accumulate)")
    }
  }

  private func before(_ target: Tensor, _ accumulate: Bool) -> Matrix {
    accumulate ? Matrix(target) : Matrix(rows: target.rows, columns: target.columns)
  }

  private func expect(_ actual: Tensor, _ wanted: Matrix, terms: Int, _ name: String) {
    expectClose(
      actual.values, wanted.floats, tolerance: sumTolerance(terms + 1), floor: 1, name)
  }

  @Test("a row has the same bits in any company and at any place")
  func rowsAreAlone() {
    let (inputs, outputs) = (301, 130)
    let x = make.random(rows: 40, columns: inputs)
    let dy = make.random(rows: 40, columns: outputs)
    let weight = make.random(rows: outputs, columns: inputs)
    let (y, dx) = rowProducts(x, dy, weight)
    for range in [0..<1, 3..<10, 10..<27, 27..<40, 39..<40] {
      let (part, dPart) = rowProducts(x.rows(range), dy.rows(range), weight)
      expectSameBits(part.values, y.rows(range).values, "y of rows \(range)")
      expectSameBits(dPart.values, dx.rows(range).values, "dx of rows \(range)")
    }
  }

  private func rowProducts(_ x: Tensor, _ dy: Tensor, _ weight: Tensor) -> (Tensor, Tensor) {
    let y = make.arena.zeros(rows: x.rows, columns: weight.rows)
    let dx = make.arena.zeros(rows: x.rows, columns: weight.columns)
    LinearProducts.reproducible.addForward(
      x, weight: weight, into: y, arena: make.arena, workers: .single)
    LinearProducts.reproducible.inputGradient(
      dy, weight: weight, into: dx, accumulate: false, arena: make.arena, workers: .single)
    return (y, dx)
  }

  @Test("segments have the bits of products of their own, summed in the tree")
  func segments() {
    let lengths = [3, 0, 7, 1, 12, 2, 5, 4]
    let segments = make.segments(lengths)
    let x = make.random(rows: segments.rowCount, columns: 43)
    let dy = make.random(rows: segments.rowCount, columns: 20)
    let leaves = (0..<segments.count).map { index in
      let rows = segments.rows(index)
      return weightGradient(dy.rows(rows), x.rows(rows), [rows.count]).values
    }
    for first in [0, 4] {
      for count in [1, 2, 3, 4, 6, 8] where first + count <= 8 {
        let rows = segments.rows(first).lowerBound..<segments.rows(first + count - 1).upperBound
        let sum = weightGradient(
          dy.rows(rows), x.rows(rows), Array(lengths[first..<first + count]))
        expectSameBits(
          sum.values, tree(Array(leaves[first..<first + count])), "\(count) from \(first)")
      }
    }
  }

  /// Neighbours, then pairs, then fours; a missing right half leaves the left as it is.
  private func tree(_ leaves: [[Float]]) -> [Float] {
    leaves[0].indices.map { element in
      NaiveSummation.tree(leaves.indices) { leaves[$0][element] }
    }
  }

  private func weightGradient(_ dy: Tensor, _ x: Tensor, _ lengths: [Int]) -> Tensor {
    let gradient = make.random(rows: dy.columns, columns: x.columns)
    LinearProducts.reproducible.weightGradient(
      dy, x, segments: make.segments(lengths), into: gradient, accumulate: false,
      arena: make.arena, workers: .single)
    return gradient
  }

  @Test("sums of rows take segments in the same tree")
  func rowSums() {
    let lengths = [3, 0, 7, 1, 12, 2, 5]
    let segments = make.segments(lengths)
    let x = make.random(rows: segments.rowCount, columns: 21)
    func sum(_ rows: Range<Int>, _ lengths: [Int]) -> [Float] {
      let sum = make.random(rows: 1, columns: 21)
      Elementwise.sumRows(
        x.rows(rows), segments: make.segments(lengths), into: sum, accumulate: false)
      return sum.values
    }
    let leaves = (0..<segments.count).map { sum(segments.rows($0), [lengths[$0]]) }
    expectSameBits(sum(0..<x.rows, lengths), tree(leaves), "sum")
  }

  @Test("threads change nothing", arguments: [2, 3, 5])
  func threads(count: Int) {
    let x = make.random(rows: 50, columns: 203)
    let dy = make.random(rows: 50, columns: 301)
    let weight = make.random(rows: 301, columns: 203)
    func run(_ workers: Workers) -> [[Float]] {
      let y = make.arena.zeros(rows: 50, columns: 301)
      let dx = make.random(rows: 50, columns: 203)
      let dWeight = make.random(rows: 301, columns: 203)
      let products = LinearProducts.reproducible
      products.addForward(x, weight: weight, into: y, arena: make.arena, workers: workers)
      products.inputGradient(
        dy, weight: weight, into: dx, accumulate: false, arena: make.arena, workers: workers)
      products.weightGradient(
        dy, x, segments: make.segments([20, 30]), into: dWeight, accumulate: false,
        arena: make.arena, workers: workers)
      return [y.values, dx.values, dWeight.values]
    }
    for (alone, together) in zip(run(.single), run(Workers(count: count))) {
      expectSameBits(together, alone, "\(count) threads")
    }
  }
}
