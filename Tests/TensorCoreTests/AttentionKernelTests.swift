import TensorCore
import TestSupport
import Testing

@Suite("Attention against plain loops")
struct AttentionKernelTests {
  let make = TensorFactory(seed: 16)

  @Test("forward and all gradients", arguments: [[1], [3, 1, 7], [8, 0, 2]], [1, 3])
  func attention(lengths: [Int], headCount: Int) {
    let groups = make.groups(lengths)
    let ranges = (0..<groups.count).map(groups.rows(of:))
    let width = 9
    let (q, k, v, dy) = (
      make.random(rows: groups.rowCount, columns: width),
      make.random(rows: groups.rowCount, columns: width),
      make.random(rows: groups.rowCount, columns: width),
      make.random(rows: groups.rowCount, columns: width)
    )
    let count = Attention.weightCount(groups, headCount: headCount)
    #expect(count == headCount * lengths.reduce(0) { $0 + $1 * $1 })
    let weights = make.arena.tensor(rows: 1, columns: count).pointer
    let y = make.random(rows: groups.rowCount, columns: width)
    Attention.forward(q, k, v, groups: groups, headCount: headCount, weights: weights, into: y)
    func naive(_ q: Matrix, _ k: Matrix, _ v: Matrix) -> Matrix {
      Naive.attention(q, k, v, groups: ranges, headCount: headCount)
    }
    let tolerance = 2 * sumTolerance(width)
    expectClose(
      y.values, naive(Matrix(q), Matrix(k), Matrix(v)).floats, tolerance: tolerance, floor: 1, "y")

    let gradients = (0..<3).map { _ in make.random(rows: groups.rowCount, columns: width) }
    Attention.backward(
      dy, q, k, v, groups: groups, headCount: headCount, weights: weights, into: gradients[0],
      gradients[1], gradients[2], arena: make.arena)
    let wanted = [
      numericalGradient(at: Matrix(q)) { naive($0, Matrix(k), Matrix(v)).dot(Matrix(dy)) },
      numericalGradient(at: Matrix(k)) { naive(Matrix(q), $0, Matrix(v)).dot(Matrix(dy)) },
      numericalGradient(at: Matrix(v)) { naive(Matrix(q), Matrix(k), $0).dot(Matrix(dy)) },
    ]
    for (index, name) in ["dq", "dk", "dv"].enumerated() {
      expectClose(
        gradients[index].values, wanted[index].floats, tolerance: tolerance, floor: 1, name)
    }
  }
}
