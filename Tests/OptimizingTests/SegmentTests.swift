import TensorCore
import TestSupport
import Testing

@testable import Optimizing

/// Parameters of several groups in one optimizer.
@Suite("Segments of AdamW")
struct SegmentTests {
  let make = TensorFactory(seed: 53)

  @Test("each segment is updated with its own rate and decay, the rest stays")
  func ownRates() {
    let count = 40
    let segments = [
      AdamW.Segment(range: 2..<13, weightDecay: 0.5, learningRate: 1e-2),
      AdamW.Segment(range: 13..<20, weightDecay: 0, learningRate: 1e-2),
      AdamW.Segment(range: 25..<38, weightDecay: 0.2, learningRate: 1e-4),
    ]
    let start = make.values(count)
    let steps = (0..<3).map { _ in make.values(count) }
    let together = updated(start, steps, segments)
    for segment in segments {
      let expected = segment.range.map { naive(start[$0], steps, $0, segment) }
      expectClose(
        together[segment.range].map(Double.init), expected, tolerance: 1e-6, floor: 1,
        "segment \(segment.range)")
      let alone = updated(start, steps, [segment])
      expectSameBits(together[segment.range], alone[segment.range], "segment \(segment.range)")
    }
    let covered = Set(segments.flatMap(\.range))
    for index in 0..<count where !covered.contains(index) {
      #expect(together[index].bitPattern == start[index].bitPattern, "element \(index)")
    }
  }

  /// AdamW of one element in `Double`.
  private func naive(
    _ start: Float, _ steps: [[Float]], _ index: Int, _ segment: AdamW.Segment
  ) -> Double {
    var (p, m, v) = (Double(start), 0.0, 0.0)
    var (first, second) = (1.0, 1.0)
    for step in steps {
      let g = Double(step[index])
      (first, second) = (0.9 * first, 0.999 * second)
      p -= segment.learningRate * segment.weightDecay * p
      m = 0.9 * m + 0.1 * g
      v = 0.999 * v + 0.001 * g * g
      let root = (v / (1 - second)).squareRoot()
      p -= segment.learningRate * m / (1 - first) / (root + 1e-8)
    }
    return p
  }

  private func updated(
    _ start: [Float], _ steps: [[Float]], _ segments: [AdamW.Segment]
  ) -> [Float] {
    let optimizer = AdamW(options: AdamW.Options(), segments: segments, shard: 0..<start.count)
    let parameters = make.row(start)
    for step in steps {
      optimizer.update(
        parameters.pointer, gradients: make.row(step).pointer, gradientScale: 1, rateFactor: 1,
        workers: .single)
    }
    return parameters.values
  }
}
