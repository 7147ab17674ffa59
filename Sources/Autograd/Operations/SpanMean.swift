import TensorCore

extension Tape {
  /// The mean over a span of rows for every row of another space: `y[s] = mean of x over span s`.
  ///
  /// An empty span has the mean 0.
  ///
  /// - Parameters:
  ///   - x: such as the states of tokens, [N, width].
  ///   - spans: M spans of the rows of `x`, which outlive the pass.
  ///   - space: the space of the M spans, such as that of utterances.
  /// - Returns: y, [M, width].
  /// - Precondition: both spaces have the same number of micro-batches, and the rows of each span
  ///   lie in the micro-batch of the span.
  package func spanMean(_ x: Variable, over spans: RowSpans, in space: RowSpace?) -> Variable {
    let y = makeVariable(rows: spans.count, columns: x.value.columns, in: space)
    checkMicroBatches(of: spans, from: x, to: y)
    SpanMean.forward(x.value, spans: spans, into: y.value)
    record(SpanMeanOperation(x: x, spans: spans, y: y))
    return y
  }

  private func checkMicroBatches(of spans: RowSpans, from x: Variable, to y: Variable) {
    let sources = segments(ofRows: x.value.rows, in: x.space)
    let targets = segments(ofRows: y.value.rows, in: y.space)
    precondition(
      sources.count == targets.count,
      "spans of \(sources.count) micro-batches cannot be rows of \(targets.count)")
    for segment in 0..<targets.count {
      let bounds = sources.rows(segment)
      for span in targets.rows(segment) {
        let rows = spans.rows(of: span)
        precondition(
          rows.isEmpty || bounds.contains(rows.lowerBound) && rows.upperBound <= bounds.upperBound,
          "span \(span) has rows \(rows), but its micro-batch has rows \(bounds)")
      }
    }
  }
}

private struct SpanMeanOperation: Operation {
  let x: Variable
  let spans: RowSpans
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      SpanMean.backward(dy, spans: spans, into: dx, accumulate: accumulate)
    }
  }
}
