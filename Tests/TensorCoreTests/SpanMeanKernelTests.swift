import TensorCore
import TestSupport
import Testing

@Suite("Span mean kernels against their naive twins")
struct SpanMeanKernelTests {
  /// Rows of seven: a gap, neighbours, an overlap, all of them, none, the last.
  static let spans = [1..<3, 3..<4, 2..<5, 0..<7, 4..<4, 6..<7]

  let make = TensorFactory(seed: 24)

  private func spans(_ ranges: [Range<Int>]) -> RowSpans {
    RowSpans(
      starts: make.integers(ranges.map(\.lowerBound)), ends: make.integers(ranges.map(\.upperBound))
    )
  }

  @Test("forward", arguments: [1, 8, 11])
  func forward(width: Int) {
    let x = make.random(rows: 7, columns: width)
    let y = make.random(rows: Self.spans.count, columns: width)
    SpanMean.forward(x, spans: spans(Self.spans), into: y)
    let expected = Naive.spanMean(Matrix(x), Self.spans)
    expectClose(y.values, expected.floats, tolerance: sumTolerance(7), floor: 1, "means")
    expectSameBits(y.rows(4..<5).values, [Float](repeating: 0, count: width), "empty span")
    expectSameBits(y.rows(5..<6).values, x.rows(6..<7).values, "span of one row")
  }

  @Test("backward", arguments: [1, 8, 11], [false, true])
  func backward(width: Int, accumulate: Bool) {
    let dy = make.random(rows: Self.spans.count, columns: width)
    let dx = make.random(rows: 7, columns: width)
    let before = accumulate ? Matrix(dx) : Matrix(rows: 7, columns: width)
    SpanMean.backward(dy, spans: spans(Self.spans), into: dx, accumulate: accumulate)
    // The mean is linear, so any point will do.
    let gradient = numericalGradient(at: Matrix(rows: 7, columns: width)) {
      Naive.spanMean($0, Self.spans).dot(Matrix(dy))
    }
    expectClose(
      dx.values, gradient.adding(before).floats, tolerance: sumTolerance(7), floor: 1, "gradient")
  }

  @Test("spans by offsets follow one another")
  func offsets() {
    let spans = RowSpans(offsets: make.integers([0, 2, 2, 5]))
    #expect((0..<spans.count).map(spans.rows(of:)) == [0..<2, 2..<2, 2..<5])
  }

  @Test("spans beyond the rows and bounds of different number are refused")
  func refusals() async {
    await #expect(processExitsWith: .failure) {
      let make = TensorFactory()
      let spans = RowSpans(offsets: make.integers([0, 4]))
      SpanMean.forward(
        make.random(rows: 3, columns: 2), spans: spans, into: make.random(rows: 1, columns: 2))
    }
    await #expect(processExitsWith: .failure) {
      let make = TensorFactory()
      _ = RowSpans(starts: make.integers([0, 1]), ends: make.integers([1]))
    }
  }
}
