/// Kernels of the context refusion mechanism around emotion prototypes.
package enum Prototypes {
  /// Adds every row to the sum of its label, (18).
  ///
  /// - Parameters:
  ///   - x: aligned features of one modality, [N, width].
  ///   - labels: the emotion of every row, 0 ..< K.
  ///   - sums: [K, width] in `Double`, row-major; rows are added in ascending order.
  package static func accumulate(
    _ x: Tensor, labels: UnsafeBufferPointer<Int>, into sums: UnsafeMutableBufferPointer<Double>
  ) {
    for row in 0..<x.rows {
      let source = x.row(row)
      let first = labels[row] * x.columns
      for column in 0..<x.columns { sums[first + column] += Double(source[column]) }
    }
  }

  /// The sum over rows of `max(mean (R_label - x)^2 - margin, 0)`, (19).
  ///
  /// - Parameters:
  ///   - x: aligned features of one modality, [N, width].
  ///   - labels: the emotion of every row.
  ///   - prototypes: R, [K, width], constant.
  ///   - margin: beta.
  ///   - isActive: receives 1 where a row lies outside the margin, else 0, [N, 1].
  package static func marginForward(
    _ x: Tensor, labels: UnsafeBufferPointer<Int>, prototypes: Tensor, margin: Float,
    isActive: Tensor
  ) -> Double {
    var sum = 0.0
    for row in 0..<x.rows {
      let source = x.row(row)
      let prototype = prototypes.row(labels[row])
      var squares = SIMD8<Float>(repeating: 0)
      forEachVector(count: x.columns) { start, length in
        let difference =
          SIMD8(source + start, length: length) - SIMD8(prototype + start, length: length)
        squares = squares.adding(difference, times: difference)
      }
      let excess = Double(squares.total) / Double(x.columns) - Double(margin)
      isActive.pointer[row] = excess > 0 ? 1 : 0
      sum += max(excess, 0)
    }
    return sum
  }

  /// `dx = 2 weight (x - R_label) / width` for rows outside the margin, else 0.
  package static func marginBackward(
    _ x: Tensor, labels: UnsafeBufferPointer<Int>, prototypes: Tensor, isActive: Tensor,
    weight: Float, into dx: Tensor, accumulate: Bool
  ) {
    for row in 0..<x.rows {
      let factor = 2 * weight * isActive.pointer[row] / Float(x.columns)
      let source = x.row(row)
      let prototype = prototypes.row(labels[row])
      let target = dx.row(row)
      forEachVector(count: x.columns) { start, length in
        let difference =
          SIMD8(source + start, length: length) - SIMD8(prototype + start, length: length)
        (difference * factor).store(target + start, length: length, accumulate: accumulate)
      }
    }
  }

  /// Adds the cosine of matching rows to `sums`, each norm clamped below at 1e-8, (20).
  ///
  /// - Parameter sums: one number a row, [N, 1].
  package static func addCosines(_ a: Tensor, _ b: Tensor, scale: Float, into sums: Tensor) {
    precondition(a.hasShape(of: b) && sums.count == a.rows, "shapes differ")
    for row in 0..<a.rows {
      let dot = Elementwise.dot(a.row(row), b.row(row), count: a.columns)
      let norms = norm(a.row(row), count: a.columns) * norm(b.row(row), count: a.columns)
      sums.pointer[row] += scale * (dot / norms)
    }
  }

  private static func norm(_ x: UnsafePointer<Float>, count: Int) -> Float {
    max(Elementwise.dot(x, x, count: count).squareRoot(), Contrast.leastNorm)
  }
}
