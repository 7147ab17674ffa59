import TensorCore
import TestSupport
import Testing

@Suite("Contrastive loss against the equation")
struct ContrastKernelTests {
  let make = TensorFactory(seed: 17)

  struct Case: Sendable, CustomTestStringConvertible {
    let sameModality: Bool
    let averages: Bool
    let modalities: Int
    let utterances: Int
    var testDescription: String {
      "\(sameModality ? "modality" : "utterance"), \(averages ? "mean" : "sum"), "
        + "M \(modalities), n \(utterances)"
    }

    static let all = [true, false].flatMap { same in
      [true, false].flatMap { averages in
        [(3, 1), (3, 4), (2, 3), (1, 5), (2, 1), (3, 9)].map {
          Case(sameModality: same, averages: averages, modalities: $0.0, utterances: $0.1)
        }
      }
    }

    func contrast(temperature: Float) -> Contrast {
      Contrast(
        positives: sameModality ? .sameModality : .sameUtterance, temperature: temperature,
        averagesPositives: averages, modalityCount: modalities)
    }
  }

  /// The kernel's loss and gradients of one dialogue that begins at row `first`.
  private func run(
    _ contrast: Contrast, _ rows: [Tensor], first: Int, weight: Float
  ) -> (loss: Double, gradients: [[Float]]) {
    let range = first..<rows[0].rows
    let width = rows[0].columns
    let block = contrast.makeBlock(rows: range, arena: make.arena, width: width) {
      UnsafePointer(rows[$0].row($1))
    }
    let loss = contrast.forward(block, utterances: range.count)
    let gradients = rows.map { _ in make.arena.zeros(rows: range.count, columns: width) }
    contrast.backward(block, rows: range, weight: weight, arena: make.arena) { m, row, gradient in
      gradients[m].row(row - first).update(from: gradient, count: width)
    }
    return (loss, gradients.map(\.values))
  }

  @Test("loss and gradient", arguments: Case.all)
  func matches(test: Case) {
    let width = 11
    let rows = (0..<test.modalities).map { _ in
      make.random(rows: test.utterances + 2, columns: width)
    }
    let (loss, gradients) = run(test.contrast(temperature: 0.5), rows, first: 2, weight: 0.75)
    let matrices = rows.map { Matrix($0.rows(2..<$0.rows)) }
    func naive(_ matrices: [Matrix]) -> Double {
      Naive.contrast(
        matrices, sameModality: test.sameModality, temperature: 0.5, averages: test.averages)
    }
    // The loss is a difference of a logarithm and cosines that are Float sums over the width.
    let tolerance = 4 * sumTolerance(width)
    expectClose([loss], [naive(matrices)], tolerance: tolerance, floor: 1, "loss")
    for m in matrices.indices {
      let wanted = numericalGradient(at: matrices[m]) { moved in
        var all = matrices
        all[m] = moved
        return 0.75 * naive(all)
      }
      expectClose(gradients[m], wanted.floats, tolerance: tolerance, floor: 1, "modality \(m)")
    }
  }

  /// Below a norm of 1e-8 the cosine is linear in the row, with a slope of up to 1e8.
  @Test("rows of zeros", arguments: Case.all.filter { $0.modalities > 1 })
  func zeroRows(test: Case) {
    let width = 5
    let rows = (0..<test.modalities).map { _ in make.random(rows: test.utterances, columns: width) }
    rows[0].rows(0..<1).fill(0)
    let (loss, gradients) = run(test.contrast(temperature: 0.5), rows, first: 0, weight: 1)
    let matrices = rows.map(Matrix.init)
    func naive(_ first: Matrix) -> Double {
      Naive.contrast(
        [first] + matrices[1...], sameModality: test.sameModality, temperature: 0.5,
        averages: test.averages)
    }
    expectClose([loss], [naive(matrices[0])], tolerance: 1e-5, floor: 1, "loss")
    let wanted = numericalGradient(at: matrices[0], step: 1e-11, of: naive)
    expectClose(
      Array(gradients[0][0..<width]), Array(wanted.floats[0..<width]), tolerance: 1e-3,
      floor: 1, "gradient of the row of zeros")
    #expect(gradients.allSatisfy { $0.allSatisfy(\.isFinite) })
  }

  @Test("rows that are all alike pull nowhere")
  func equalRows() {
    let row = make.values(7)
    let rows = (0..<3).map { _ in make.tensor(row + row + row + row, rows: 4, columns: 7) }
    let contrast = Case(sameModality: true, averages: true, modalities: 3, utterances: 4)
      .contrast(temperature: 0.5)
    let (loss, gradients) = run(contrast, rows, first: 0, weight: 1)
    // Every anchor: -log(1 / 11), with eleven equal terms in the denominator.
    expectClose([loss], [12 * 2.397_895_272_798_370_5], tolerance: 1e-5, "loss")
    #expect(gradients.joined().allSatisfy { abs($0) < 1e-5 })
  }
}

@Suite("Prototype kernels against their naive twins")
struct PrototypeKernelTests {
  let make = TensorFactory(seed: 18)

  @Test("sums by label are exact")
  func accumulate() {
    let x = make.random(rows: 7, columns: 9)
    let labels = [2, 0, 2, 2, 0, 3, 2]
    var sums = (0..<36).map(Double.init)
    var expected = sums
    for (row, label) in labels.enumerated() {
      for column in 0..<9 { expected[label * 9 + column] += Double(x.row(row)[column]) }
    }
    sums.withUnsafeMutableBufferPointer {
      Prototypes.accumulate(x, labels: make.integers(labels), into: $0)
    }
    #expect(sums == expected)
  }

  @Test("margin loss and gradient", arguments: [0, 1, 3, 6], [1, 7, 8, 31, 300, 301])
  func margin(rows: Int, width: Int) {
    let x = make.random(rows: rows, columns: width)
    let prototypes = make.random(rows: 3, columns: width)
    let labels = (0..<rows).map { $0 % 3 }
    // One row on its prototype, well inside the margin.
    if rows > 1 { x.rows(1..<2).copy(from: prototypes.rows(1..<2)) }
    let isActive = make.random(rows: rows, columns: 1)
    let margin: Float = 0.05
    func naive(_ x: Matrix) -> Double {
      Naive.margin(x, labels: labels, prototypes: Matrix(prototypes), margin: Double(margin))
    }
    let sum = Prototypes.marginForward(
      x, labels: make.integers(labels), prototypes: prototypes, margin: margin, isActive: isActive)
    expectClose([sum], [naive(Matrix(x))], tolerance: sumTolerance(width), floor: 1, "loss")
    if rows > 1 { #expect(isActive.pointer[1] == 0) }
    for accumulate in [false, true] {
      let dx = make.random(rows: rows, columns: width)
      let wanted = numericalGradient(at: Matrix(x)) { 0.5 * naive($0) }
      let expected = accumulate ? Matrix(dx).adding(wanted) : wanted
      Prototypes.marginBackward(
        x, labels: make.integers(labels), prototypes: prototypes, isActive: isActive, weight: 0.5,
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
    Prototypes.addCosines(a, b, scale: 0.5, into: sums)
    expectClose(
      sums.values, expected.map(Float.init), tolerance: sumTolerance(width), floor: 1, "cosines")
  }
}
