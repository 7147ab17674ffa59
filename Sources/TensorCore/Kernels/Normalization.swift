/// Layer normalisation of every row.
///
/// ```
/// y = gamma (x - mean) r + beta,   r = 1 / sqrt(variance + epsilon)
/// ```
/// The variance is the biased one.
package enum Normalization {
  /// - Parameters:
  ///   - x: [N, width].
  ///   - gamma: scale, [1, width].
  ///   - beta: shift, [1, width].
  ///   - epsilon: added to the variance.
  ///   - normalized: receives `(x - mean) r`, [N, width].
  ///   - reciprocals: receives r, [N, 1].
  ///   - y: result, [N, width].
  package static func forward(
    _ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, normalized: Tensor,
    reciprocals: Tensor, into y: Tensor
  ) {
    let width = x.columns
    for row in 0..<x.rows {
      let source = x.row(row)
      var sum = SIMD8<Float>(repeating: 0)
      forEachVector(count: width) { start, length in
        sum += SIMD8(source + start, length: length)
      }
      let mean = sum.total / Float(width)
      let hat = normalized.row(row)
      forEachVector(count: width) { start, length in
        (SIMD8(source + start, length: length) - mean).store(hat + start, length: length)
      }
      let variance = Elementwise.dot(hat, hat, count: width) / Float(width)
      let reciprocal = 1 / (variance + epsilon).squareRoot()
      reciprocals.pointer[row] = reciprocal
      let target = y.row(row)
      forEachVector(count: width) { start, length in
        let scaled = SIMD8(hat + start, length: length) * reciprocal
        scaled.store(hat + start, length: length)
        SIMD8(beta.pointer + start, length: length)
          .adding(scaled, times: SIMD8(gamma.pointer + start, length: length))
          .store(target + start, length: length)
      }
    }
  }

  /// `dx = r (g - mean(g) - xhat mean(g xhat))` with `g = gamma dy`.
  package static func backward(
    _ dy: Tensor, gamma: Tensor, normalized: Tensor, reciprocals: Tensor, into dx: Tensor,
    accumulate: Bool
  ) {
    let width = dy.columns
    for row in 0..<dy.rows {
      let source = dy.row(row)
      let hat = normalized.row(row)
      var sum = SIMD8<Float>(repeating: 0)
      var product = SIMD8<Float>(repeating: 0)
      forEachVector(count: width) { start, length in
        let g =
          SIMD8(source + start, length: length) * SIMD8(gamma.pointer + start, length: length)
        sum += g
        product = product.adding(g, times: SIMD8(hat + start, length: length))
      }
      let mean = sum.total / Float(width)
      let projection = product.total / Float(width)
      let target = dx.row(row)
      forEachVector(count: width) { start, length in
        let g =
          SIMD8(source + start, length: length) * SIMD8(gamma.pointer + start, length: length)
        let centred = (g - mean).adding(
          SIMD8(hat + start, length: length), times: SIMD8(repeating: -projection))
        (centred * reciprocals.pointer[row])
          .store(target + start, length: length, accumulate: accumulate)
      }
    }
  }

  /// `dgamma = sum over rows of dy xhat`: the segments are summed in their tree.
  package static func scaleGradient(
    _ dy: Tensor, normalized: Tensor, segments: RowSegments, into dgamma: Tensor, accumulate: Bool
  ) {
    precondition(segments.rowCount == dy.rows, "\(segments.rowCount) rows, not \(dy.rows)")
    forEachVector(count: dy.columns) { start, length in
      let sum = segments.treeSum { rows in
        var sum = SIMD8<Float>(repeating: 0)
        for row in rows {
          sum = sum.adding(
            SIMD8(dy.row(row) + start, length: length),
            times: SIMD8(normalized.row(row) + start, length: length))
        }
        return sum
      }
      sum.store(dgamma.pointer + start, length: length, accumulate: accumulate)
    }
  }
}
