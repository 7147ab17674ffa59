import Testing

@testable import dferc_dist

@Suite("Benchmark figures")
struct BenchFiguresTests {
  @Test(
    "The median of an even count is the mean of the two in the middle",
    arguments: [([3, 1], 2), ([5, 1, 2], 2), ([4, 1, 3, 2], 2.5), ([7], 7), ([], 0)]
      as [([Double], Double)])
  func median(values: [Double], median: Double) {
    #expect(BenchFigures.Spread(of: values).median == median)
  }
}
