/// Cuts a global batch into micro-batches of nearly equal numbers of utterances.
///
/// The result depends on the lengths of the batch's dialogues and on the number of micro-batches,
/// never on ranks. Two passes:
///
/// 1. Longest processing time first: dialogues in descending length, ties in batch order, each to
///    the micro-batch with the fewest utterances, ties to the one with the lower number.
/// 2. Exchange: while a pair of dialogues swapped between the fullest and the emptiest micro-batch
///    (or one dialogue moved) narrows the gap between these two, the best such exchange is made.
///
/// The dialogues of a micro-batch are in batch order.
enum MicroBatchBalance {
  /// The positions, within the batch, of the dialogues of each micro-batch.
  ///
  /// - Parameters:
  ///   - lengths: utterances of each dialogue of the batch.
  ///   - count: the number of micro-batches, at least 1; those beyond the number of dialogues are
  ///     empty.
  static func cut(lengths: [Int], into count: Int) -> [[Int]] {
    var parts = longestFirst(lengths: lengths, count: count)
    guard count > 1 else { return parts.map(\.positions) }
    while narrowGap(&parts, lengths: lengths) {}
    return parts.map { $0.positions.sorted() }
  }

  private struct Part {
    var positions: [Int] = []
    var load = 0
  }

  private static func longestFirst(lengths: [Int], count: Int) -> [Part] {
    guard count > 1 else {
      return [Part(positions: Array(lengths.indices), load: lengths.reduce(0, +))]
    }
    let order = lengths.indices.sorted { (lengths[$1], $0) < (lengths[$0], $1) }
    var parts = [Part](repeating: Part(), count: count)
    for position in order {
      let emptiest = parts.indices.reduce(0) { parts[$1].load < parts[$0].load ? $1 : $0 }
      parts[emptiest].positions.append(position)
      parts[emptiest].load += lengths[position]
    }
    return parts
  }

  /// Makes the exchange between the fullest and the emptiest part that leaves the smallest gap.
  ///
  /// - Returns: false, with nothing changed, if none makes the gap smaller. The sum of squared
  ///   loads falls with every exchange, so the repetition ends.
  private static func narrowGap(_ parts: inout [Part], lengths: [Int]) -> Bool {
    let fullest = parts.indices.reduce(0) { parts[$1].load > parts[$0].load ? $1 : $0 }
    let emptiest = parts.indices.reduce(0) { parts[$1].load < parts[$0].load ? $1 : $0 }
    let gap = parts[fullest].load - parts[emptiest].load
    guard gap > 1 else { return false }

    var best: (gap: Int, give: Int, take: Int?)?
    for (give, given) in parts[fullest].positions.enumerated() {
      let candidates = [nil] + parts[emptiest].positions.indices.map(Optional.some)
      for take in candidates {
        let taken = take.map { lengths[parts[emptiest].positions[$0]] } ?? 0
        let remaining = abs(gap - 2 * (lengths[given] - taken))
        if remaining < best?.gap ?? gap { best = (remaining, give, take) }
      }
    }
    guard let best else { return false }
    exchange(best.give, of: fullest, for: best.take, of: emptiest, in: &parts, lengths: lengths)
    return true
  }

  private static func exchange(
    _ give: Int, of fullest: Int, for take: Int?, of emptiest: Int, in parts: inout [Part],
    lengths: [Int]
  ) {
    let given = parts[fullest].positions.remove(at: give)
    if let take {
      let taken = parts[emptiest].positions.remove(at: take)
      parts[fullest].positions.append(taken)
    }
    parts[emptiest].positions.append(given)
    for part in [fullest, emptiest] {
      parts[part].load = parts[part].positions.reduce(0) { $0 + lengths[$1] }
    }
  }
}
