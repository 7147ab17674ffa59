/// Elementwise activation functions, each as a forward and a backward kernel.
///
/// Every backward kernel takes `accumulate`: whether the gradient of the input is added to what its
/// memory holds.
package enum Activation {
  /// The number of elements in a chunk of parallel work, large against the cost of waking a thread.
  static let chunkSize = 1 << 14

  /// `y = tanh(x)`; `x` and `y` may be the same memory.
  package static func tanhForward(_ x: Tensor, into y: Tensor, workers: Workers) {
    map(x, into: y, workers) { $0.hyperbolicTangent }
  }

  /// `dx = (1 - y^2) dy` with `y = tanh(x)`.
  package static func tanhBackward(
    _ dy: Tensor, output y: Tensor, into dx: Tensor, accumulate: Bool, workers: Workers
  ) {
    combine(dy, y, into: dx, accumulate: accumulate, workers) { dy, y in
      (SIMD8(repeating: 1) - y * y) * dy
    }
  }

  /// `y = 1 / (1 + exp(-x))`; `x` and `y` may be the same memory.
  package static func sigmoidForward(_ x: Tensor, into y: Tensor, workers: Workers) {
    map(x, into: y, workers) { $0.logistic }
  }

  /// `dx = y (1 - y) dy` with `y = sigmoid(x)`.
  package static func sigmoidBackward(
    _ dy: Tensor, output y: Tensor, into dx: Tensor, accumulate: Bool, workers: Workers
  ) {
    combine(dy, y, into: dx, accumulate: accumulate, workers) { dy, y in
      y * (SIMD8(repeating: 1) - y) * dy
    }
  }

  /// `y = max(x, 0)`, with NaN for NaN.
  ///
  /// `x` and `y` may be the same memory.
  package static func reluForward(_ x: Tensor, into y: Tensor, workers: Workers) {
    map(x, into: y, workers) { $0.replacing(with: 0, where: $0 .<= 0) }
  }

  /// `dx = dy` where `y > 0`, else 0, with `y = max(x, 0)`.
  package static func reluBackward(
    _ dy: Tensor, output y: Tensor, into dx: Tensor, accumulate: Bool, workers: Workers
  ) {
    combine(dy, y, into: dx, accumulate: accumulate, workers) { dy, y in
      dy.replacing(with: 0, where: y .<= 0)
    }
  }

  /// The exact Gaussian error linear unit and its derivative in one pass.
  ///
  /// ```
  /// y = x P(x),  derivative = P(x) + x p(x),  P(x) = (1 + erf(x / sqrt 2)) / 2,
  /// p(x) = exp(-x^2 / 2) / sqrt(2 pi)
  /// ```
  /// `derivative` may be the memory of `x`, which the backward pass does not read.
  package static func geluForward(
    _ x: Tensor, into y: Tensor, derivative: Tensor, workers: Workers
  ) {
    precondition(x.hasShape(of: y) && x.hasShape(of: derivative), "shapes differ")
    workers.forEachChunk(of: x.count, size: chunkSize) { range in
      forEachVector(count: range.count) { start, length in
        let at = range.lowerBound &+ start
        let x = SIMD8(x.pointer + at, length: length)
        let half = SIMD8(repeating: 0.5 as Float)
        let probability = half.adding((x * 0.707_106_78).errorFunction, times: half)
        let density = (x * x * -0.5).exponential * 0.398_942_28
        (x * probability).store(y.pointer + at, length: length)
        probability.adding(x, times: density).store(derivative.pointer + at, length: length)
      }
    }
  }

  /// `dx = dy * derivative`.
  package static func geluBackward(
    _ dy: Tensor, derivative: Tensor, into dx: Tensor, accumulate: Bool, workers: Workers
  ) {
    combine(dy, derivative, into: dx, accumulate: accumulate, workers) { $0 * $1 }
  }

  @inline(__always)
  private static func map(
    _ x: Tensor, into y: Tensor, _ workers: Workers, _ function: (SIMD8<Float>) -> SIMD8<Float>
  ) {
    precondition(x.hasShape(of: y), "shapes differ")
    workers.forEachChunk(of: x.count, size: chunkSize) { range in
      forEachVector(count: range.count) { start, length in
        let at = range.lowerBound &+ start
        function(SIMD8(x.pointer + at, length: length)).store(y.pointer + at, length: length)
      }
    }
  }

  @inline(__always)
  private static func combine(
    _ a: Tensor, _ b: Tensor, into c: Tensor, accumulate: Bool, _ workers: Workers,
    _ function: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
  ) {
    precondition(a.hasShape(of: b) && a.hasShape(of: c), "shapes differ")
    workers.forEachChunk(of: a.count, size: chunkSize) { range in
      forEachVector(count: range.count) { start, length in
        let at = range.lowerBound &+ start
        let value = function(
          SIMD8(a.pointer + at, length: length), SIMD8(b.pointer + at, length: length))
        value.store(c.pointer + at, length: length, accumulate: accumulate)
      }
    }
  }
}
