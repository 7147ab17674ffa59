/// Sums of the rows of each class in `Double`.
package enum ClassSums {
  /// `sums[label] += x[row]` for every row, in ascending order.
  ///
  /// - Parameters:
  ///   - x: [N, width].
  ///   - labels: the class of every row, 0 ..< K.
  ///   - sums: [K, width], row-major.
  package static func add(
    _ x: Tensor, labels: UnsafeBufferPointer<Int>, into sums: UnsafeMutableBufferPointer<Double>
  ) {
    for row in 0..<x.rows {
      let source = x.row(row)
      let first = labels[row] * x.columns
      for column in 0..<x.columns { sums[first + column] += Double(source[column]) }
    }
  }
}
