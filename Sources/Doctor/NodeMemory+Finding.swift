import JobControl

extension NodeMemory {
  /// The finding about whether the memory suffices.
  ///
  /// - Parameters:
  ///   - ranks: the number of ranks on this node.
  ///   - bytes: the number of bytes that each of them needs.
  package func finding(ranks: Int, bytes: Int) -> Finding {
    guard let available else {
      return .ok(.memory, "the kernel does not report the available memory")
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
