/// The part of a list of work items that one rank processes.
///
/// Shares are contiguous, cover the list exactly once, and differ by at most one item, so that the
/// lower levels of a tree sum over the list are within one rank.
package enum RankShare {
  /// The items of `rank`, which are `rank * count / rankCount ..< (rank + 1) * count / rankCount`.
  ///
  /// - Parameters:
  ///   - count: the number of items; fewer than ranks leave some shares empty.
  ///   - rank: the rank, in 0 ..< `rankCount`.
  ///   - rankCount: the number of ranks, at least 1.
  package static func range(of count: Int, rank: Int, rankCount: Int) -> Range<Int> {
    precondition(count >= 0, "cannot share \(count) items")
    precondition(
      rankCount > 0 && (0..<rankCount).contains(rank), "rank \(rank) of \(rankCount) ranks")
    return rank * count / rankCount..<(rank + 1) * count / rankCount
  }
}
