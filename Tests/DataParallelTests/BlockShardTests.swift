import TensorCore
import Testing

@testable import DataParallel

@Suite("Shards")
struct BlockShardTests {
  @Test(
    "Shards are whole blocks, follow one another and cover all",
    arguments: [
      (0, 3), (1, 4), (4096, 2), (4097, 2), (100_000, 7), (5_300_000, 8), (12_288, 8),
    ])
  func shards(count: Int, parts: Int) {
    let shards = BlockShards(count: count, shardCount: parts)
    var next = 0
    for part in 0..<parts {
      let range = shards.range(part)
      #expect(range.lowerBound == next)
      #expect(range.lowerBound % FlatBlocks.elementCount == 0 || range.lowerBound == count)
      #expect(range.count <= shards.longest)
      next = range.upperBound
    }
    #expect(next == count)
  }
}
