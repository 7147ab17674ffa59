/// Sums, products and copies of whole tensors and of their rows and columns.
package enum Elementwise {
  /// `y = x`, or `y += x`.
  package static func add(_ x: Tensor, into y: Tensor, accumulate: Bool, scale: Float = 1) {
    precondition(x.hasShape(of: y), "shapes differ")
    forEachVector(count: x.count) { start, length in
      (SIMD8(x.pointer + start, length: length) * scale)
        .store(y.pointer + start, length: length, accumulate: accumulate)
    }
  }

  /// `c = a * b`, element by element, or `c += a * b`.
  package static func multiply(
    _ a: Tensor, _ b: Tensor, into c: Tensor, accumulate: Bool, workers: Workers
  ) {
    precondition(a.hasShape(of: b) && a.hasShape(of: c), "shapes differ")
    workers.forEachChunk(of: a.count, size: Activation.chunkSize) { range in
      forEachVector(count: range.count) { start, length in
        let at = range.lowerBound &+ start
        let product =
          SIMD8(a.pointer + at, length: length) * SIMD8(b.pointer + at, length: length)
        product.store(c.pointer + at, length: length, accumulate: accumulate)
      }
    }
  }

  /// Writes the row vector `bias` [1, columns] into every row of `y`.
  package static func broadcastRow(_ bias: Tensor, into y: Tensor) {
    precondition(bias.count == y.columns, "bias has \(bias.count) elements, not \(y.columns)")
    for row in 0..<y.rows { y.row(row).update(from: bias.pointer, count: y.columns) }
  }

  /// Sums the rows of `x` into `sum` [1, columns]: those of each segment in ascending order, then
  /// the segments in their tree.
  package static func sumRows(
    _ x: Tensor, segments: RowSegments, into sum: Tensor, accumulate: Bool
  ) {
    precondition(
      sum.count == x.columns && segments.rowCount == x.rows,
      "[\(x.rows), \(x.columns)] cannot be summed into \(sum.count) elements")
    forEachVector(count: x.columns) { start, length in
      let total = segments.treeSum { rows in
        var total = SIMD8<Float>(repeating: 0)
        for row in rows { total += SIMD8(x.row(row) + start, length: length) }
        return total
      }
      total.store(sum.pointer + start, length: length, accumulate: accumulate)
    }
  }

  /// Copies `part` [rows, w] into columns `first ..< first + w` of `whole`.
  package static func insertColumns(_ part: Tensor, into whole: Tensor, first: Int) {
    precondition(
      part.rows == whole.rows && first + part.columns <= whole.columns, "columns do not fit")
    for row in 0..<part.rows {
      (whole.row(row) + first).update(from: part.row(row), count: part.columns)
    }
  }

  /// Copies columns `first ..< first + w` of `whole` into `part` [rows, w], or adds them to it.
  package static func extractColumns(
    _ whole: Tensor, first: Int, into part: Tensor, accumulate: Bool
  ) {
    precondition(
      part.rows == whole.rows && first + part.columns <= whole.columns, "columns do not fit")
    for row in 0..<part.rows {
      let source = whole.row(row) + first
      let target = part.row(row)
      forEachVector(count: part.columns) { start, length in
        SIMD8(source + start, length: length)
          .store(target + start, length: length, accumulate: accumulate)
      }
    }
  }

  /// `y = factors[row] * x`, row by row, or adds it to `y`.
  ///
  /// - Parameter factors: [rows, 1].
  package static func scaleRows(_ x: Tensor, by factors: Tensor, into y: Tensor, accumulate: Bool) {
    precondition(x.hasShape(of: y) && factors.count == x.rows, "shapes differ")
    for row in 0..<x.rows {
      let factor = factors.pointer[row]
      let source = x.row(row)
      let target = y.row(row)
      forEachVector(count: x.columns) { start, length in
        (SIMD8(source + start, length: length) * factor)
          .store(target + start, length: length, accumulate: accumulate)
      }
    }
  }

  /// The inner product of matching rows, `products[row] = a[row] . b[row]`, or adds it.
  ///
  /// - Parameter products: [rows, 1].
  package static func dotRows(
    _ a: Tensor, _ b: Tensor, into products: Tensor, accumulate: Bool, scale: Float = 1
  ) {
    precondition(a.hasShape(of: b) && products.count == a.rows, "shapes differ")
    for row in 0..<a.rows {
      let product = scale * dot(a.row(row), b.row(row), count: a.columns)
      products.pointer[row] = accumulate ? products.pointer[row] + product : product
    }
  }

  /// The inner product of two vectors.
  @inline(__always)
  static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
    var sum = SIMD8<Float>(repeating: 0)
    forEachVector(count: count) { start, length in
      sum = sum.adding(SIMD8(a + start, length: length), times: SIMD8(b + start, length: length))
    }
    return sum.total
  }
}
