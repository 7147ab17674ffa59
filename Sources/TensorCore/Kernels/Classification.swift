import Glibc

/// Softmax, cross-entropy and squared error over rows.
///
/// Rows and classes are few, so these kernels compute in `Double`; losses are summed in `Double`,
/// in ascending order of rows.
package enum Classification {
  /// The softmax of every row and the sum of `-log p[label]` over all rows.
  ///
  /// - Parameters:
  ///   - logits: [N, K].
  ///   - labels: the true class of every row, 0 ..< K.
  ///   - probabilities: receives the softmax, [N, K].
  /// - Returns: the sum of the negative log-likelihoods.
  package static func crossEntropyForward(
    _ logits: Tensor, labels: UnsafeBufferPointer<Int>, probabilities: Tensor
  ) -> Double {
    precondition(
      labels.count == logits.rows && logits.hasShape(of: probabilities), "shapes differ")
    var sum = 0.0
    for row in 0..<logits.rows {
      let logarithm = softmax(logits.row(row), into: probabilities.row(row), count: logits.columns)
      sum += logarithm - Double(logits.row(row)[labels[row]])
    }
    return sum
  }

  /// `dlogits = weight (p - onehot(label))`, where weight is the derivative of the loss by the sum.
  package static func crossEntropyBackward(
    _ probabilities: Tensor, labels: UnsafeBufferPointer<Int>, weight: Float,
    into dlogits: Tensor, accumulate: Bool
  ) {
    for row in 0..<probabilities.rows {
      let p = probabilities.row(row)
      let target = dlogits.row(row)
      for k in 0..<probabilities.columns {
        let gradient = weight * (p[k] - (labels[row] == k ? 1 : 0))
        target[k] = accumulate ? target[k] + gradient : gradient
      }
    }
  }

  /// The softmax of every row.
  package static func softmaxForward(_ logits: Tensor, into probabilities: Tensor) {
    precondition(logits.hasShape(of: probabilities), "shapes differ")
    for row in 0..<logits.rows {
      _ = softmax(logits.row(row), into: probabilities.row(row), count: logits.columns)
    }
  }

  /// `dx = p (dp - p . dp)` for every row, with p the softmax of x.
  package static func softmaxBackward(
    _ dp: Tensor, output p: Tensor, into dx: Tensor, accumulate: Bool
  ) {
    for row in 0..<p.rows {
      let product = Elementwise.dot(p.row(row), dp.row(row), count: p.columns)
      let target = dx.row(row)
      for k in 0..<p.columns {
        let gradient = p.row(row)[k] * (dp.row(row)[k] - product)
        target[k] = accumulate ? target[k] + gradient : gradient
      }
    }
  }

  /// Writes the softmax of one row and returns the logarithm of the sum of exponentials.
  private static func softmax(
    _ x: UnsafePointer<Float>, into p: UnsafeMutablePointer<Float>, count: Int
  ) -> Double {
    var largest = -Double.infinity
    for k in 0..<count { largest = max(largest, Double(x[k])) }
    var sum = 0.0
    for k in 0..<count { sum += exp(Double(x[k]) - largest) }
    for k in 0..<count { p[k] = Float(exp(Double(x[k]) - largest) / sum) }
    return largest + log(sum)
  }

  /// The sum of squared differences between `x` and a constant target.
  package static func squaredErrorForward(_ x: Tensor, target: Tensor) -> Double {
    precondition(x.hasShape(of: target), "shapes differ")
    var sum = 0.0
    for index in 0..<x.count {
      let difference = Double(x.pointer[index]) - Double(target.pointer[index])
      sum += difference * difference
    }
    return sum
  }

  /// `dx = 2 weight (x - target)`, where weight is the derivative of the loss by the sum.
  package static func squaredErrorBackward(
    _ x: Tensor, target: Tensor, weight: Float, into dx: Tensor, accumulate: Bool
  ) {
    for index in 0..<x.count {
      let gradient = 2 * weight * (x.pointer[index] - target.pointer[index])
      dx.pointer[index] = accumulate ? dx.pointer[index] + gradient : gradient
    }
  }
}
