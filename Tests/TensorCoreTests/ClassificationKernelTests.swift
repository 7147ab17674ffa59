import TensorCore
import TestSupport
import Testing

@Suite("Classification kernels against their naive twins")
struct ClassificationKernelTests {
  let make = TensorFactory(seed: 15)

  @Test("cross-entropy and softmax", arguments: [0, 1, 5], [1, 2, 3, 7, 9, 31])
  func crossEntropy(rows: Int, classes: Int) {
    let logits = make.random(rows: rows, columns: classes, scale: 6)
    let labels = (0..<rows).map { ($0 * 5 + 1) % classes }
    let probabilities = make.random(rows: rows, columns: classes)
    let sum = Classification.crossEntropyForward(
      logits, labels: make.integers(labels), probabilities: probabilities)
    // Both sides compute in Double.
    expectClose(
      [sum], [Naive.crossEntropy(Matrix(logits), labels: labels)], tolerance: 1e-13, floor: 1,
      "loss")
    let softmax = Naive.softmaxRows(Matrix(logits))
    expectClose(
      probabilities.values, softmax.floats, tolerance: 2 * unitRoundoff, floor: 1, "softmax")
    Classification.softmaxForward(logits, into: logits)
    expectSameBits(logits.values, probabilities.values, "softmax in place")

    for accumulate in [false, true] {
      let gradient = make.random(rows: rows, columns: classes)
      var expected = accumulate ? Matrix(gradient) : Matrix(rows: rows, columns: classes)
      for row in 0..<rows {
        for k in 0..<classes {
          expected[row, k] += 0.25 * (softmax[row, k] - (labels[row] == k ? 1 : 0))
        }
      }
      Classification.crossEntropyBackward(
        probabilities, labels: make.integers(labels), weight: 0.25, into: gradient,
        accumulate: accumulate)
      expectClose(
        gradient.values, expected.floats, tolerance: 4 * unitRoundoff, floor: 1, "gradient")
    }
  }

  @Test("far apart logits neither overflow nor lose the loss")
  func saturated() {
    let logits = make.tensor([1e4, -1e4, 0, -3e38, 3e38, 0], rows: 2, columns: 3)
    let probabilities = make.random(rows: 2, columns: 3)
    let sum = Classification.crossEntropyForward(
      logits, labels: make.integers([1, 1]), probabilities: probabilities)
    #expect(sum == 2e4)
    #expect(probabilities.values == [1, 0, 0, 0, 1, 0])
  }

  @Test("softmax backward", arguments: [1, 4], [1, 3, 8, 31])
  func softmaxBackward(rows: Int, classes: Int) {
    let x = make.random(rows: rows, columns: classes, scale: 3)
    let dp = make.random(rows: rows, columns: classes)
    let p = make.copy(x)
    Classification.softmaxForward(x, into: p)
    let wanted = numericalGradient(at: Matrix(x)) { Naive.softmaxRows($0).dot(Matrix(dp)) }
    let dx = make.random(rows: rows, columns: classes)
    let sum = Matrix(dx).adding(wanted)
    let tolerance = sumTolerance(classes)
    Classification.softmaxBackward(dp, output: p, into: dx, accumulate: true)
    expectClose(dx.values, sum.floats, tolerance: tolerance, floor: 1, "added")
    Classification.softmaxBackward(dp, output: p, into: dp, accumulate: false)
    expectClose(dp.values, wanted.floats, tolerance: tolerance, floor: 1, "in place")
  }

  @Test("squared error", arguments: oddSizes)
  func squaredError(size: Int) {
    let x = make.random(rows: size, columns: 1)
    let target = make.random(rows: size, columns: 1)
    let difference = Matrix(x).adding(Matrix(target), scale: -1)
    expectClose(
      [Classification.squaredErrorForward(x, target: target)], [difference.dot(difference)],
      tolerance: 1e-13, floor: 1, "squared error")
  }
}
