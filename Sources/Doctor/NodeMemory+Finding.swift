import JobControl

extension NodeMemory {
  /// Whether it suffices.
  ///
  /// - Parameters:
  ///   - ranks: the ranks on this node.
  ///   - bytes: what each of them needs.
  package func finding(ranks: Int, bytes: Int) -> Finding {
    guard let available else {
      return .ok(.memory, "the kernel does not tell how much memory is available")
    }
    let needed = ranks * bytes
    let place = isLimited ? "the container has" : "the node has"
    let facts =
      "\(place) \(NodeMemory.megabytes(available)) MB left; \(ranks == 1 ? "1 rank needs" : "\(ranks) ranks need") "
      + "about \(NodeMemory.megabytes(needed)) MB"
    guard needed > available else { return .ok(.memory, facts) }
    return .error(
      .memory, facts,
      cure: isLimited
        ? "Raise the container's memory limit, or start fewer ranks on this node."
        : "Start fewer ranks on this node, or end other programs.")
  }
}
