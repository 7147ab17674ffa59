import TensorCore
import TestSupport
import Testing

@Suite("Contrastive loss against the equation")
struct GroupContrastiveLossTests {
  let make = TensorFactory(seed: 17)

  struct Case: Sendable, CustomTestStringConvertible {
    let sameView: Bool
    let averages: Bool
    let views: Int
    let rows: Int
    var testDescription: String {
      "\(sameView ? "view" : "row"), \(averages ? "mean" : "sum"), M \(views), n \(rows)"
    }

    static let all = [true, false].flatMap { same in
      [true, false].flatMap { averages in
        [(3, 1), (3, 4), (2, 3), (1, 5), (2, 1), (3, 9)].map {
          Case(sameView: same, averages: averages, views: $0.0, rows: $0.1)
        }
      }
    }

    func loss(temperature: Float) -> GroupContrastiveLoss {
      GroupContrastiveLoss(
        positives: sameView ? .sameView : .sameRow, temperature: temperature,
        averagesPositives: averages, viewCount: views)
    }
  }

  /// The kernel's loss and gradients of one group that begins at row `first`.
  private func run(
    _ kernel: GroupContrastiveLoss, _ views: [Tensor], first: Int, weight: Float
  ) -> (loss: Double, gradients: [[Float]]) {
    let rows = first..<views[0].rows
    let width = views[0].columns
    let block = kernel.makeBlock(rows: rows, arena: make.arena, width: width) {
      UnsafePointer(views[$0].row($1))
    }
    let loss = kernel.forward(block, rows: rows.count)
    let gradients = views.map { _ in make.arena.zeros(rows: rows.count, columns: width) }
    kernel.backward(block, rows: rows, weight: weight, arena: make.arena) { view, row, gradient in
      gradients[view].row(row - first).update(from: gradient, count: width)
    }
    return (loss, gradients.map(\.values))
  }

  @Test("loss and gradient", arguments: Case.all)
  func matches(test: Case) {
    let width = 11
    let views = (0..<test.views).map { _ in make.random(rows: test.rows + 2, columns: width) }
    let (loss, gradients) = run(test.loss(temperature: 0.5), views, first: 2, weight: 0.75)
    let matrices = views.map { Matrix($0.rows(2..<$0.rows)) }
    func naive(_ matrices: [Matrix]) -> Double {
      Naive.contrastiveLoss(
        matrices, sameView: test.sameView, temperature: 0.5, averages: test.averages)
    }
    // The loss is a difference of a logarithm and cosines that are Float sums over the width.
    let tolerance = 4 * sumTolerance(width)
    expectClose([loss], [naive(matrices)], tolerance: tolerance, floor: 1, "loss")
    for view in matrices.indices {
      let wanted = numericalGradient(at: matrices[view]) { moved in
        var all = matrices
        all[view] = moved
        return 0.75 * naive(all)
      }
      expectClose(gradients[view], wanted.floats, tolerance: tolerance, floor: 1, "view \(view)")
    }
  }

  /// Below a norm of 1e-8 the cosine is linear in the row, with a slope of up to 1e8.
  @Test("rows of zeros", arguments: Case.all.filter { $0.views > 1 })
  func zeroRows(test: Case) {
    let width = 5
    let views = (0..<test.views).map { _ in make.random(rows: test.rows, columns: width) }
    views[0].rows(0..<1).fill(0)
    let (loss, gradients) = run(test.loss(temperature: 0.5), views, first: 0, weight: 1)
    let matrices = views.map(Matrix.init)
    func naive(_ first: Matrix) -> Double {
      Naive.contrastiveLoss(
        [first] + matrices[1...], sameView: test.sameView, temperature: 0.5,
        averages: test.averages)
    }
    expectClose([loss], [naive(matrices[0])], tolerance: 1e-5, floor: 1, "loss")
    let wanted = numericalGradient(at: matrices[0], step: 1e-11, of: naive)
    expectClose(
      Array(gradients[0][0..<width]), Array(wanted.floats[0..<width]), tolerance: 1e-3,
      floor: 1, "gradient of the row of zeros")
    #expect(gradients.allSatisfy { $0.allSatisfy(\.isFinite) })
  }

  @Test("vectors that are all alike have no gradient")
  func equalRows() {
    let row = make.values(7)
    let views = (0..<3).map { _ in make.tensor(row + row + row + row, rows: 4, columns: 7) }
    let kernel = Case(sameView: true, averages: true, views: 3, rows: 4).loss(temperature: 0.5)
    let (loss, gradients) = run(kernel, views, first: 0, weight: 1)
    // Every anchor: -log(1 / 11), with eleven equal terms in the denominator.
    expectClose([loss], [12 * 2.397_895_272_798_370_5], tolerance: 1e-5, "loss")
    #expect(gradients.joined().allSatisfy { abs($0) < 1e-5 })
  }
}
