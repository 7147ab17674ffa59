/// Spans of consecutive rows of a packed tensor, such as the tokens of each word.
///
/// Unlike the groups of ``RowGroups`` they need not cover all rows, and may overlap.
package struct RowSpans: BitwiseCopyable {
  /// The first row of each span.
  package let starts: UnsafeBufferPointer<Int>
  /// The row after the last of each span.
  package let ends: UnsafeBufferPointer<Int>

  /// Spans over memory that outlives them.
  ///
  /// - Parameters:
  ///   - starts: the first row of each span.
  ///   - ends: the row after the last of each span, equal to its start for an empty one.
  package init(starts: UnsafeBufferPointer<Int>, ends: UnsafeBufferPointer<Int>) {
    precondition(
      starts.count == ends.count, "\(starts.count) starts of spans, but \(ends.count) ends")
    self.starts = starts
    self.ends = ends
  }

  /// Spans that follow one another: span s has rows `offsets[s] ..< offsets[s + 1]`.
  package init(offsets: UnsafeBufferPointer<Int>) {
    precondition(!offsets.isEmpty, "offsets need one entry more than spans")
    self.init(
      starts: UnsafeBufferPointer(rebasing: offsets.dropLast()),
      ends: UnsafeBufferPointer(rebasing: offsets.dropFirst()))
  }

  /// The number of spans.
  package var count: Int { starts.count }

  /// The rows of one span.
  package func rows(of span: Int) -> Range<Int> { starts[span]..<ends[span] }
}
