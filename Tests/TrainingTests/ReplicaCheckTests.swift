import Testing

@testable import Training

@Suite("Replica check")
struct ReplicaCheckTests {
  private static let names = ["input.weight", "classifier.bias", "counts"]

  private func difference(_ ranks: [[UInt64]]) -> ReplicaCheck.Difference? {
    ReplicaCheck.difference(ranks, names: Self.names)
  }

  @Test("Equal ranks differ in nothing")
  func equal() {
    #expect(difference([[1, 2, 3], [1, 2, 3], [1, 2, 3]]) == nil)
    #expect(difference([[1, 2, 3]]) == nil)
  }

  @Test("The rank that stands alone is named, with the first tensor that differs")
  func one() {
    #expect(
      difference([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 9, 8]])?.description
        == "rank 3 holds other bits of classifier.bias than the other ranks")
    #expect(
      difference([[7, 2, 3], [1, 2, 3], [1, 2, 3]])?.description
        == "rank 0 holds other bits of input.weight than the other ranks")
  }

  @Test("A minority that agrees within itself is a minority still")
  func several() {
    #expect(
      difference([[1, 2, 3], [1, 5, 3], [1, 2, 3], [1, 2, 3], [1, 5, 3]])?.description
        == "ranks 1, 4 hold other bits of classifier.bias than the other ranks")
    let scattered: [[UInt64]] = [[1, 2, 1], [1, 2, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    #expect(difference(scattered)?.minority == [0, 1])
  }

  @Test("Without a majority nobody is named")
  func noMajority() {
    #expect(
      difference([[1, 2, 3], [1, 2, 4]])?.description
        == "rank 0 and rank 1 hold different bits of counts, and nothing tells which are right")
    #expect(
      difference([[1, 2, 3], [1, 2, 3], [1, 2, 4], [1, 2, 4]])?.description
        == "the ranks hold different bits of counts, and nothing tells which are right")
  }
}
