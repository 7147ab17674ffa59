/// Means over spans of rows.
///
/// Letters: N rows of the input, M spans.
package enum SpanMean {
  /// `y[s] = mean of x over the rows of span s`; 0 for an empty span.
  ///
  /// The rows of a span are added in ascending order.
  ///
  /// - Parameters:
  ///   - x: [N, width].
  ///   - spans: M spans of the rows of `x`.
  ///   - y: [M, width].
  package static func forward(_ x: Tensor, spans: RowSpans, into y: Tensor) {
    precondition(spans.count == y.rows && x.columns == y.columns, "shapes differ")
    for span in 0..<spans.count {
      let rows = checkedRows(of: span, spans, in: x)
      let factor = 1 / Float(max(rows.count, 1))
      let target = y.row(span)
      forEachVector(count: x.columns) { start, length in
        var sum = SIMD8<Float>(repeating: 0)
        for row in rows { sum += SIMD8(x.row(row) + start, length: length) }
        (sum * factor).store(target + start, length: length)
      }
    }
  }

  /// `dx[row] = sum over the spans s with that row of dy[s] / count(s)`, or adds it.
  ///
  /// Spans are added in ascending order.
  ///
  /// - Parameters:
  ///   - dy: [M, width].
  ///   - spans: M spans of the rows of `dx`.
  ///   - dx: [N, width].
  ///   - accumulate: whether the sum is added to what `dx` holds.
  package static func backward(
    _ dy: Tensor, spans: RowSpans, into dx: Tensor, accumulate: Bool
  ) {
    precondition(spans.count == dy.rows && dx.columns == dy.columns, "shapes differ")
    if !accumulate { dx.fill(0) }
    for span in 0..<spans.count {
      let rows = checkedRows(of: span, spans, in: dx)
      let factor = 1 / Float(max(rows.count, 1))
      let source = dy.row(span)
      for row in rows {
        let target = dx.row(row)
        forEachVector(count: dy.columns) { start, length in
          (SIMD8(source + start, length: length) * factor)
            .store(target + start, length: length, accumulate: true)
        }
      }
    }
  }

  private static func checkedRows(of span: Int, _ spans: RowSpans, in x: Tensor) -> Range<Int> {
    let rows = spans.rows(of: span)
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= x.rows,
      "span \(span) has rows \(rows), which are not in 0 ..< \(x.rows)")
    return rows
  }
}
