import Testing

@testable import DataParallel

@Suite("Shards")
struct BlockShardTests {
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
