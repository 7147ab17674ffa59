import TestSupport
import Testing

@testable import DataParallel

@Suite("Order of sums")
struct TreeTests {
  private func sum(_ leaves: [[Float]], over range: Range<Int>) -> [Float] {
    let count = leaves[0].count
    let parts = leaves.map { leaf in
      let part = UnsafeMutablePointer<Float>.allocate(capacity: count)
      part.initialize(from: leaf, count: count)
      return part
    }
    defer { parts.forEach { $0.deallocate() } }
    PairwiseTree(leafCount: parts.count).sum(parts, over: range, into: parts)
    let results = parts.map { Array(UnsafeBufferPointer(start: $0, count: count)) }
    for result in results { #expect(Array(result[range]) == Array(results[0][range])) }
    return results[0]
  }

  @Test("The tree has the documented shape")
  func shape() {
    // 2^24 + 1 is not a Float, so each way to bracket these sums gives another result.
    let big: Float = 16_777_216
    #expect(sum([[big], [1], [-big], [1]], over: 0..<1) == [(big + 1) + (-big + 1)])
    #expect(sum([[1], [1], [big]], over: 0..<1) == [big + 2])
    #expect(sum([[big], [1], [1]], over: 0..<1) == [big])
    let six: [Float] = [big, 1, 1, 1, 1, 1]
    #expect(sum(six.map { [$0] }, over: 0..<1) == [((big + 1) + (1 + 1)) + (1 + 1)])
  }

  @Test("Any number of leaves sums as the definition says", arguments: 1...17)
  func definition(leafCount: Int) {
    let leaves = (0..<leafCount).map { rank in
      (0..<5000).map { Float(CollectiveChecks.value(rank, $0)) }
    }
    let expected = (0..<5000).map { CollectiveChecks.expected(Float.self, leafCount, $0) }
    #expect(sum(leaves, over: 0..<5000) == expected)
  }

  @Test("Only the range is written")
  func range() {
    let result = sum([[1, 1, 1, 1], [2, 2, 2, 2]], over: 1..<3)
    #expect(result == [1, 3, 3, 1])
  }

  @Test("The checks' values notice another order")
  func sensitivity() {
    let differing = (0..<1000).filter { index in
      let leaves = (0..<4).map { Float(CollectiveChecks.value($0, index)) }
      return leaves.reduce(0, +) != CollectiveChecks.expected(Float.self, 4, index)
    }
    #expect(differing.count > 100)
  }

  @Test(
    "Slices are whole blocks, follow one another and cover all",
    arguments: [
      (0, 3), (1, 4), (4096, 2), (4097, 2), (100_000, 7), (5_300_000, 8), (12_288, 8),
    ])
  func slices(count: Int, parts: Int) {
    let slices = BlockShards(count: count, slices: parts)
    var next = 0
    for part in 0..<parts {
      let range = slices.range(part)
      #expect(range.lowerBound == next)
      #expect(range.lowerBound % BlockShards.blockCount == 0 || range.lowerBound == count)
      #expect(range.count <= slices.longest)
      next = range.upperBound
    }
    #expect(next == count)
  }
}
