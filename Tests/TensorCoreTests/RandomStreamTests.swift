import TensorCore
import Testing

@Suite("Random streams")
struct RandomStreamTests {
  @Test("the hash of a purpose is 32-bit FNV-1a")
  func purposeHash() {
    // Values of the algorithm's authors.
    #expect(RandomStream.hash(of: "") == 0x811C_9DC5)
    #expect(RandomStream.hash(of: "a") == 0xE40C_292C)
    #expect(RandomStream.hash(of: "foobar") == 0xBF9C_F968)
  }

  @Test("words are Philox blocks with the documented counter")
  func counterLayout() {
    let hash = RandomStream.hash(of: "shuffle")
    var stream = RandomStream(seed: 0x1_2345_6789, purpose: "shuffle", step: 5, item: 9)
    for block in 0..<3 as Range<UInt32> {
      let words = Philox.block(counter: SIMD4(block, 9, 5, hash), key: 0x1_2345_6789)
      for lane in 0..<4 { #expect(stream.nextWord32() == words[lane]) }
    }
    var again = RandomStream(seed: 0x1_2345_6789, purpose: "shuffle", step: 5, item: 9)
    let low = UInt64(again.nextWord32())
    let high = UInt64(again.nextWord32())
    var wide = RandomStream(seed: 0x1_2345_6789, purpose: "shuffle", step: 5, item: 9)
    #expect(wide.next() == high << 32 | low)
  }

  @Test("another seed, purpose, step or item gives another stream")
  func independence() {
    var streams = [
      RandomStream(seed: 1, purpose: "a", step: 0, item: 0),
      RandomStream(seed: 2, purpose: "a", step: 0, item: 0),
      RandomStream(seed: 1 << 32 | 1, purpose: "a", step: 0, item: 0),
      RandomStream(seed: 1, purpose: "b", step: 0, item: 0),
      RandomStream(seed: 1, purpose: "a", step: 1, item: 0),
      RandomStream(seed: 1, purpose: "a", step: 0, item: 1),
    ]
    let first = Set(streams.indices.map { streams[$0].next() })
    #expect(first.count == streams.count)
  }

  @Test("uniform numbers fill 0 ..< 1 evenly")
  func uniform() {
    var stream = RandomStream(seed: 7, purpose: "uniform")
    var counts = [Int](repeating: 0, count: 64)
    let draws = 64_000
    for _ in 0..<draws {
      let value = stream.nextUniform()
      #expect(value >= 0 && value < 1 && value * 0x1p24 == (value * 0x1p24).rounded())
      counts[Int(value * 64)] += 1
    }
    // 63 degrees of freedom: chi-squared exceeds 120 with probability 2e-5.
    #expect(chiSquared(counts, draws: draws) < 120)
    var wide = RandomStream(seed: 7, purpose: "uniform")
    let mean = (0..<draws).reduce(0.0) { sum, _ in sum + wide.nextUniformDouble() } / Double(draws)
    // The standard deviation of the mean is 1 / sqrt(12 n) = 0.00114.
    #expect(abs(mean - 0.5) < 0.005)
  }

  /// A bound of 3 * 2^30 shows the bias of a plain multiplication: a quarter of all words must be
  /// rejected, or every third number were drawn twice as often as the others.
  @Test(
    "whole numbers are unbiased",
    arguments: [(1, 1), (2, 2), (3, 3), (10, 5), (64, 8), (3 << 30, 3), (Int(UInt32.max), 3)])
  func integers(bound: Int, cells: Int) {
    var stream = RandomStream(seed: 3, purpose: "integers")
    var counts = [Int](repeating: 0, count: cells)
    var isInside = true
    let draws = 30_000
    for _ in 0..<draws {
      let value = stream.nextInteger(below: bound)
      isInside = isInside && (0..<bound).contains(value)
      counts[value % cells] += 1
    }
    #expect(isInside)
    // At most 7 degrees of freedom: chi-squared exceeds 35 with probability 1e-5.
    #expect(chiSquared(counts, draws: draws) < 35)
  }

  @Test("permutations hold every number once, and every order comes up equally often")
  func permutations() {
    var stream = RandomStream(seed: 5, purpose: "shuffle")
    #expect(stream.permutation(of: 0).isEmpty)
    #expect(stream.permutation(of: 1) == [0])
    #expect(stream.permutation(of: 1000).sorted() == Array(0..<1000))
    var counts: [[Int]: Int] = [:]
    let draws = 24_000
    for _ in 0..<draws { counts[stream.permutation(of: 4), default: 0] += 1 }
    #expect(counts.count == 24)
    // 23 degrees of freedom: chi-squared exceeds 60 with probability 4e-5.
    #expect(chiSquared(Array(counts.values), draws: draws) < 60)
  }

  private func chiSquared(_ counts: [Int], draws: Int) -> Double {
    let expected = Double(draws) / Double(counts.count)
    return counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
  }
}
