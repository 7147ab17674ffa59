import Foundation
import TensorCore
import TestSupport
import Testing

/// A kernel that computes every element from the same element of its inputs.
struct ElementwiseKernel: Sendable, CustomTestStringConvertible {
  typealias Run =
    @Sendable (_ inputs: [Tensor], _ output: Tensor, _ accumulate: Bool, Workers) -> Void

  let testDescription: String
  let inputCount: Int
  /// Whether the kernel can add to its output.
  let accumulates: Bool
  let run: Run
  /// The same for one element.
  let naive: @Sendable ([Double]) -> Double

  init(
    _ name: String, inputs: Int, accumulates: Bool = true, _ run: @escaping Run,
    naive: @escaping @Sendable ([Double]) -> Double
  ) {
    testDescription = name
    inputCount = inputs
    self.accumulates = accumulates
    self.run = run
    self.naive = naive
  }

  static let all = [
    ElementwiseKernel("tanhForward", inputs: 1, accumulates: false) { x, y, _, workers in
      Activation.tanhForward(x[0], into: y, workers: workers)
    } naive: {
      tanh($0[0])
    },
    ElementwiseKernel("tanhBackward", inputs: 2) { x, y, accumulate, workers in
      Activation.tanhBackward(x[0], output: x[1], into: y, accumulate: accumulate, workers: workers)
    } naive: {
      (1 - $0[1] * $0[1]) * $0[0]
    },
    ElementwiseKernel("sigmoidForward", inputs: 1, accumulates: false) { x, y, _, workers in
      Activation.sigmoidForward(x[0], into: y, workers: workers)
    } naive: {
      Naive.logistic($0[0])
    },
    ElementwiseKernel("sigmoidBackward", inputs: 2) { x, y, accumulate, workers in
      Activation.sigmoidBackward(
        x[0], output: x[1], into: y, accumulate: accumulate, workers: workers)
    } naive: {
      $0[1] * (1 - $0[1]) * $0[0]
    },
    ElementwiseKernel("reluForward", inputs: 1, accumulates: false) { x, y, _, workers in
      Activation.reluForward(x[0], into: y, workers: workers)
    } naive: {
      max($0[0], 0)
    },
    ElementwiseKernel("reluBackward", inputs: 2) { x, y, accumulate, workers in
      Activation.reluBackward(
        x[0], output: x[1], into: y, accumulate: accumulate, workers: workers)
    } naive: {
      $0[1] > 0 ? $0[0] : 0
    },
    ElementwiseKernel("geluForward", inputs: 2, accumulates: false) { x, y, _, workers in
      Activation.geluForward(x[0], into: y, derivative: x[1], workers: workers)
    } naive: {
      Naive.gelu($0[0])
    },
    ElementwiseKernel("geluForward, derivative", inputs: 2, accumulates: false) {
      x, y, _, workers in
      Activation.geluForward(x[0], into: x[1], derivative: y, workers: workers)
    } naive: {
      Naive.geluDerivative($0[0])
    },
    ElementwiseKernel("geluBackward", inputs: 2) { x, y, accumulate, workers in
      Activation.geluBackward(
        x[0], derivative: x[1], into: y, accumulate: accumulate, workers: workers)
    } naive: {
      $0[0] * $0[1]
    },
    ElementwiseKernel("multiply", inputs: 2) { x, y, accumulate, workers in
      Elementwise.multiply(x[0], x[1], into: y, accumulate: accumulate, workers: workers)
    } naive: {
      $0[0] * $0[1]
    },
    ElementwiseKernel("add", inputs: 1) { x, y, accumulate, _ in
      Elementwise.add(x[0], into: y, accumulate: accumulate, scale: 0.375)
    } naive: {
      0.375 * $0[0]
    },
    ElementwiseKernel("squaredErrorBackward", inputs: 2) { x, y, accumulate, _ in
      Classification.squaredErrorBackward(
        x[0], target: x[1], weight: 0.75, into: y, accumulate: accumulate)
    } naive: {
      1.5 * ($0[0] - $0[1])
    },
  ]
}

@Suite("Elementwise kernels against their naive twins")
struct ElementwiseKernelTests {
  let make = TensorFactory(seed: 11)

  /// A few roundings and the 3 units in the last place of the elementary functions.
  static let tolerance = 8 * unitRoundoff

  @Test("values", arguments: ElementwiseKernel.all, oddSizes)
  func values(kernel: ElementwiseKernel, size: Int) {
    let inputs = (0..<kernel.inputCount).map { _ in make.random(rows: 1, columns: size, scale: 3) }
    let copies = inputs.map(Matrix.init)
    let naive = (0..<size).map { index in kernel.naive(copies.map { $0.values[index] }) }
    for accumulate in kernel.accumulates ? [false, true] : [false] {
      let output = make.random(rows: 1, columns: size)
      let before = Matrix(output).values
      kernel.run(inputs, output, accumulate, .single)
      let expected = zip(naive, before).map { accumulate ? $0 + $1 : $0 }
      expectClose(
        output.elements.map(Double.init), expected, tolerance: Self.tolerance, floor: 1,
        "\(kernel.testDescription) of \(size), accumulate \(accumulate)")
    }
  }

  /// Moved by one element, every element stands in another lane, and those around the end change
  /// between the vector body and the tail.
  @Test("an element's bits do not depend on its lane", arguments: ElementwiseKernel.all)
  func lanes(kernel: ElementwiseKernel) {
    let size = 301
    let inputs = (0..<kernel.inputCount).map { _ in make.values(size, scale: 3) }
    let before = make.values(size)
    func run(from first: Int) -> [Float] {
      func tensor(_ values: [Float]) -> Tensor {
        make.tensor(Array(values[first...]), rows: 1, columns: size - first, lane: first)
      }
      let output = tensor(before)
      kernel.run(inputs.map(tensor), output, true, .single)
      return output.values
    }
    let whole = run(from: 0)
    for first in [1, 3, 5] {
      expectSameBits(run(from: first), whole[first...], "\(kernel.testDescription) from \(first)")
    }
  }

  @Test("bits do not depend on the number of workers", arguments: ElementwiseKernel.all)
  func workers(kernel: ElementwiseKernel) {
    // Three chunks and a tail: enough for the work to be divided.
    let size = 3 << 14 + 5
    let inputs = (0..<kernel.inputCount).map { _ in make.random(rows: 1, columns: size, scale: 3) }
    func run(_ count: Int) -> [Float] {
      let output = make.arena.zeros(rows: 1, columns: size)
      kernel.run(inputs, output, true, Workers(count: count))
      return output.values
    }
    let single = run(1)
    expectSameBits(run(2), single, "\(kernel.testDescription) with 2 workers")
    expectSameBits(run(3), single, "\(kernel.testDescription) with 3 workers")
  }

  @Test("ReLU of zero is zero without a gradient, and keeps what is not a number")
  func reluCorners() {
    let x = make.row([-0.0, 0, .nan, -.infinity, .infinity])
    let y = make.copy(x)
    Activation.reluForward(x, into: y, workers: .single)
    #expect(Array(y.values[..<2]) == [0, 0] && y.values[2].isNaN)
    #expect(Array(y.values[3...]) == [0, .infinity])
    let dx = make.copy(x)
    Activation.reluBackward(
      make.row([1, 2, 3, 4, 5]), output: y, into: dx, accumulate: false, workers: .single)
    #expect(dx.values == [0, 0, 3, 0, 5])
  }

  @Test("activations may overwrite their input")
  func inPlace() {
    let x = make.random(rows: 3, columns: 31, scale: 3)
    let y = make.copy(x)
    Activation.tanhForward(y, into: y, workers: .single)
    let separate = make.copy(x)
    Activation.tanhForward(x, into: separate, workers: .single)
    expectSameBits(y.values, separate.values, "tanh in place")

    let derivative = make.copy(x)
    Activation.geluForward(x, into: separate, derivative: derivative, workers: .single)
    Activation.geluForward(x, into: y, derivative: x, workers: .single)
    expectSameBits(y.values, separate.values, "gelu")
    expectSameBits(x.values, derivative.values, "derivative in the memory of x")
  }
}
