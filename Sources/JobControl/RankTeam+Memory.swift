import Configuration

extension RankTeam {
  /// The buffers of a training rank that are as long as all parameters: values, gradients, moments.
  private static let buffersOfParameters = 4

  /// Refuses a model that this node has no memory for, before it is asked for; collective.
  ///
  /// A width with one digit too many would otherwise end with a rank that the kernel kills.
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
