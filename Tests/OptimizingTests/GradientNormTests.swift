import Optimizing
import TensorCore
import TestSupport
import Testing

@Suite("Gradient norm")
struct GradientNormTests {
  let make = TensorFactory(seed: 52)

  private func buffer(_ values: [Float]) -> FloatBuffer {
    let buffer = FloatBuffer(count: values.count)
    _ = buffer.elements.update(from: values)
    return buffer
  }

  @Test("against plain loops", arguments: [0, 1, 7, 8, 15, 16, 17, 4095, 4096, 4097, 20_000])
  func value(count: Int) {
    let values = make.values(count, scale: 3)
    let exact = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    // Sums in Double: only their order differs.
    expectClose([gradientNorm(buffer(values))], [exact], tolerance: 1e-13, "norm of \(count)")
  }

  @Test("squares of floats neither overflow nor vanish")
  func extremes() {
    let norm = gradientNorm(buffer([3e38, -4e-38, 3e38, 0]))
    expectClose([norm], [Double(Float(3e38)) * 2.0.squareRoot()], tolerance: 1e-15, "norm")
    #expect(gradientNorm(buffer([.leastNonzeroMagnitude])) == Double(Float.leastNonzeroMagnitude))
    #expect(gradientNorm(buffer([1, .nan])).isNaN)
    #expect(gradientNorm(buffer([1, -.infinity])) == .infinity)
  }

  @Test("bits do not depend on workers")
  func workers() {
    let gradients = buffer(make.values(40 * FlatBlocks.elementCount + 11))
    let single = gradientNorm(gradients)
    #expect(gradientNorm(gradients, workers: 2) == single)
    #expect(gradientNorm(gradients, workers: 3) == single)
  }

  @Test("shards of whole blocks give the same bits", arguments: [[1], [3, 4], [0, 5, 9]])
  func shards(cuts: [Int]) {
    let blocks = 11
    let gradients = buffer(make.values((blocks - 1) * FlatBlocks.elementCount + 77))
    let whole = gradientNorm(gradients)
    var squares = [Double](repeating: -1, count: blocks)
    squares.withUnsafeMutableBufferPointer { squares in
      for (first, last) in zip([0] + cuts, cuts + [blocks]) {
        let end = min(last * FlatBlocks.elementCount, gradients.count)
        GradientNorm.sumSquares(
          UnsafeMutableBufferPointer(
            rebasing: gradients.elements[first * FlatBlocks.elementCount..<end]),
          into: UnsafeMutableBufferPointer(rebasing: squares[first..<last]), workers: .single)
      }
      #expect(GradientNorm.combine(squares) == whole)
    }
  }

  @Test("clipping shortens to the limit and never lengthens")
  func clipping() {
    #expect(GradientNorm.clipFactor(norm: 0, limit: 1) == 1)
    #expect(GradientNorm.clipFactor(norm: 0.5, limit: 1) == 1)
    #expect(GradientNorm.clipFactor(norm: 4, limit: 1) == 1 / (4 + 1e-6))
    // PyTorch's 1e-6 counts where the norm is just at the limit.
    #expect(GradientNorm.clipFactor(norm: 1, limit: 1) == 1 / (1 + 1e-6))
  }
}
