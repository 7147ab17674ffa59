/// The excess of the mean squared distance between every row and the vector of its class over a
/// margin.
package enum MarginLoss {
  /// The sum over rows of `max(mean (t_label - x)^2 - margin, 0)`.
  ///
  /// - Parameters:
  ///   - x: [N, width].
  ///   - labels: the class of every row, 0 ..< K.
  ///   - targets: the vector t of each class, [K, width], constant.
  ///   - margin: the largest mean squared distance without a loss.
  ///   - isActive: receives 1 for a row outside the margin, else 0, [N, 1].
  package static func forward(
    _ x: Tensor, labels: UnsafeBufferPointer<Int>, targets: Tensor, margin: Float,
    isActive: Tensor
  ) -> Double {
    var sum = 0.0
    for row in 0..<x.rows {
      let source = x.row(row)
      let target = targets.row(labels[row])
      var squares = SIMD8<Float>(repeating: 0)
      forEachVector(count: x.columns) { start, length in
        let difference =
          SIMD8(source + start, length: length) - SIMD8(target + start, length: length)
        squares = squares.adding(difference, times: difference)
      }
      let excess = Double(squares.total) / Double(x.columns) - Double(margin)
      isActive.pointer[row] = excess > 0 ? 1 : 0
      sum += max(excess, 0)
    }
    return sum
  }

  /// `dx = 2 weight (x - t_label) / width` for rows outside the margin, else 0.
  package static func backward(
    _ x: Tensor, labels: UnsafeBufferPointer<Int>, targets: Tensor, isActive: Tensor,
    weight: Float, into dx: Tensor, accumulate: Bool
  ) {
    for row in 0..<x.rows {
      let factor = 2 * weight * isActive.pointer[row] / Float(x.columns)
      let source = x.row(row)
      let target = targets.row(labels[row])
      let gradient = dx.row(row)
      forEachVector(count: x.columns) { start, length in
        let difference =
          SIMD8(source + start, length: length) - SIMD8(target + start, length: length)
        (difference * factor).store(gradient + start, length: length, accumulate: accumulate)
      }
    }
  }
}
