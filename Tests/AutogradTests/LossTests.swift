import Autograd
import TensorCore
import TestSupport
import Testing

/// Gradient checks of the operations that end in a part of the loss.
///
/// Every loss is multiplied by a weight other than 1, which the operation must pass on.
@Suite("Gradients of loss terms")
struct LossTests {
  let make = TensorFactory(seed: 34)

  @Test("cross-entropy", arguments: [(1, 2), (5, 7)])
  func crossEntropy(rows: Int, classes: Int) {
    let labels = make.integers((0..<rows).map { ($0 * 3 + 1) % classes })
    let logits = make.random(rows: rows, columns: classes, scale: 3)
    GradientCheck([logits]) { tape, v in
      0.75 * tape.crossEntropy(v[0], labels: labels, weight: 0.75).sums.total
    }.expectRight("cross-entropy")
  }

  @Test("cross-entropy of saturated logits")
  func saturatedCrossEntropy() {
    // Certain and right, certain and wrong, and two that share everything.
    let logits = make.tensor([50, -50, 0, 50, -50, 0, 40, 40, -40], rows: 3, columns: 3)
    let check = GradientCheck([logits]) { tape, v in
      0.75 * tape.crossEntropy(v[0], labels: make.integers([0, 1, 0]), weight: 0.75).sums.total
    }
    check.expectRight("cross-entropy")
    let expected: [Float] = [0, 0, 0, 0.75, -0.75, 0, -0.375, 0.375, 0]
    expectClose(check.gradients()[0] ?? [], expected, tolerance: 1e-6, "gradient")
  }

  @Test("squared error")
  func squaredError() {
    let x = make.random(rows: 9, columns: 1)
    let target = make.random(rows: 9, columns: 1)
    GradientCheck([x]) { tape, v in
      0.75 * tape.squaredError(v[0], target: target, weight: 0.75).total
    }.expectRight("squared error")
    let atTarget = GradientCheck([target]) {
      $0.squaredError($1[0], target: target, weight: 1).total
    }
    #expect(atTarget.gradients()[0] == [Float](repeating: 0, count: 9))
  }

  /// Rows lie far from the corner of the loss, where it has no derivative.
  @Test("margin loss, rows inside and outside")
  func marginLoss() throws {
    let targets = make.random(rows: 2, columns: 9)
    let x = make.random(rows: 4, columns: 9, scale: 3)
    x.rows(1..<2).copy(from: targets.rows(1..<2))
    let labels = make.integers([0, 1, 1, 0])
    let check = GradientCheck([x]) { tape, v in
      0.75
        * tape.marginLoss(
          v[0], labels: labels, targets: targets, margin: 0.1, weight: 0.75
        ).total
    }
    check.expectRight("margin loss")
    let gradient = try #require(check.gradients()[0])
    #expect(gradient[9..<18].allSatisfy { $0 == 0 }, "inside the margin")
    #expect(!gradient[0..<9].contains(0) && !gradient[18..<36].contains(0), "outside")
  }

  struct ContrastiveCase: Sendable {
    let lengths: [Int]
    let views: Int
    let positives: GroupContrastiveLoss.Positives
    let averages: Bool
  }

  @Test(
    "contrastive loss, groups of one row and a single view too",
    arguments: [[1], [4], [1, 3, 2]].flatMap { lengths in
      [1, 2, 3].flatMap { views in
        [(GroupContrastiveLoss.Positives.sameView, true), (.sameRow, true), (.sameView, false)]
          .map {
            ContrastiveCase(
              lengths: lengths, views: views, positives: $0.0, averages: $0.1)
          }
      }
    })
  func contrastive(test: ContrastiveCase) {
    let groups = make.groups(test.lengths)
    let loss = GroupContrastiveLoss(
      positives: test.positives, temperature: 0.5, averagesPositives: test.averages,
      viewCount: test.views)
    let views = (0..<test.views).map { _ in
      make.random(rows: groups.rowCount, columns: 9, scale: 3)
    }
    GradientCheck(views) { tape, v in
      let space = tape.makeRowSpace(groups: groups)
      let views = tape.list(v.map { $0.placed(in: space) })
      return 0.75 * tape.contrastiveLoss(views, loss, weight: 0.75).total
    }.expectRight("contrastive loss")
  }

  @Test("contrastive loss with a row of zeros stays finite")
  func contrastiveZeroRow() {
    let groups = make.groups([2, 2])
    let views = (0..<2).map { _ in make.random(rows: 4, columns: 5) }
    views[0].rows(1..<2).fill(0)
    let loss = GroupContrastiveLoss(
      positives: .sameView, temperature: 0.5, averagesPositives: true, viewCount: 2)
    let gradients = GradientCheck(views) { tape, v in
      let space = tape.makeRowSpace(groups: groups)
      let views = tape.list(v.map { $0.placed(in: space) })
      return tape.contrastiveLoss(views, loss, weight: 1).total
    }.gradients()
    #expect(gradients.allSatisfy { $0?.allSatisfy(\.isFinite) == true })
  }

  @Test("projection")
  func projection() {
    let x = make.random(rows: 3, columns: 7)
    let direction = make.random(rows: 3, columns: 7)
    let check = GradientCheck([x]) { $0.projection($1[0], onto: direction) }
    check.expectRight("projection")
    #expect(check.gradients()[0] == direction.values)
  }
}
