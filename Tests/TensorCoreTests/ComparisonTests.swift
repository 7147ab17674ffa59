import TestSupport
import Testing

/// The helpers of the tests must themselves be able to fail.
@Suite("Comparison helpers")
struct ComparisonTests {
  @Test("differences are relative to the largest expected element or the floor")
  func scale() {
    #expect(relativeDifference([1.0, 10.5], [1.0, 10.0]) == 0.05)
    #expect(relativeDifference([0.5], [0.0], floor: 2) == 0.25)
    #expect(relativeDifference([Double](), []) == 0)
    #expect(relativeDifference([Double.nan, 1], [1, 1]) == .infinity)
  }

  @Test("what is close passes")
  func passes() {
    expectClose([1.0, 2.0], [1.0, 2.0001], tolerance: 1e-4, "close")
    expectSameBits([1, -0.0, .nan], [1, -0.0, .nan], "same bits")
  }

  @Test(
    "what is not close fails",
    arguments: [([1.0, 2.1], [1.0, 2.0]), ([1], [1, 2]), ([.nan], [1]), ([1], [.nan])]
      as [([Double], [Double])])
  func fails(actual: [Double], expected: [Double]) {
    withKnownIssue { expectClose(actual, expected, tolerance: 1e-3, "not close") }
  }

  @Test("bits that differ fail", arguments: [([1], [Float(1).nextUp]), ([0], [-0.0]), ([1], [])])
  func bitsFail(actual: [Float], expected: [Float]) {
    withKnownIssue { expectSameBits(actual, expected, "not the same") }
  }
}
