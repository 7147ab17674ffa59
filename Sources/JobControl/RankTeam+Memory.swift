import Configuration

extension RankTeam {
  /// The number of buffers of a training rank that have an element for each parameter: values,
  /// gradients, moments.
  private static let buffersOfParameters = 4

  /// Throws for a model that does not fit into the memory of this node, before it is allocated;
  /// collective.
  ///
  /// Otherwise the kernel would kill a rank where a width has a digit too many.
  ///
  /// - Throws: `ConfigurationError`, on all ranks alike.
  package func requireMemory(forParameters count: Int) throws {
    try together("laying out the model") {
      let perRank = count * MemoryLayout<Float>.stride * Self.buffersOfParameters
      let needed = perRank * world.share.ranksOnNode
      guard let available = NodeMemory.ofThisNode.available, needed > available else { return }
      throw ConfigurationError(
        place: nil, key: "model",
        reason: "its \(count) parameters take \(NodeMemory.megabytes(perRank)) MB on "
          + "each of \(world.share.ranksOnNode) ranks, and this node has "
          + "\(NodeMemory.megabytes(available)) MB left",
        cure: "Lower model.width, model.alignmentWidth or model.contextHidden, "
          + "or start fewer ranks on a node.")
    }
  }
}
