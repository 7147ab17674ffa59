/// Cosines of the angles between vectors.
package enum Cosine {
  /// Adds the cosine of `a[row]` and `b[row]` to `sums[row]`, each norm clamped below at 1e-8.
  ///
  /// - Parameters:
  ///   - a: [N, width].
  ///   - b: [N, width].
  ///   - scale: a factor of every cosine.
  ///   - sums: [N, 1].
  package static func addRows(_ a: Tensor, _ b: Tensor, scale: Float, into sums: Tensor) {
    precondition(a.hasShape(of: b) && sums.count == a.rows, "shapes differ")
    for row in 0..<a.rows {
      let dot = Elementwise.dot(a.row(row), b.row(row), count: a.columns)
      let norms = norm(a.row(row), count: a.columns) * norm(b.row(row), count: a.columns)
      sums.pointer[row] += scale * (dot / norms)
    }
  }

  private static func norm(_ x: UnsafePointer<Float>, count: Int) -> Float {
    max(Elementwise.dot(x, x, count: count).squareRoot(), UnitVector.leastNorm)
  }
}

/// Vectors divided by their norms.
enum UnitVector {
  /// The least norm that a vector is divided by.
  static let leastNorm: Float = 1e-8

  /// Turns the gradient of `u = x / max(|x|, 1e-8)` into the gradient of x, in place.
  static func backward(
    _ gradient: UnsafeMutablePointer<Float>, unit: UnsafePointer<Float>, norm: Float, count: Int,
    weight: Float
  ) {
    let isClamped = norm < leastNorm
    let radial = isClamped ? 0 : Elementwise.dot(gradient, unit, count: count)
    let factor = weight / max(norm, leastNorm)
    forEachVector(count: count) { start, length in
      let tangential = SIMD8(gradient + start, length: length)
        .adding(SIMD8(unit + start, length: length), times: SIMD8(repeating: -radial))
      (tangential * factor).store(gradient + start, length: length)
    }
  }
}
