/// Which ranks of a communicator share a node.
package struct NodeLayout: Sendable {
  /// The ranks on this rank's node, in the order of the whole communicator.
  package let node: Communicator

  /// For each rank of the whole communicator, the index of its node; nodes are numbered by their
  /// lowest rank.
  package let nodeOfRank: [Int]

  /// The number of nodes.
  package var nodeCount: Int { (nodeOfRank.max() ?? 0) + 1 }

  /// Whether each node holds an equal run of consecutive ranks whose length is a power of two.
  ///
  /// Then each node is a subtree of the binary tree over all ranks, so that a sum may be taken
  /// inside the nodes first. A single node of any size is the whole tree.
  package var isNested: Bool {
    guard nodeCount > 1 else { return true }
    let length = node.size
    guard length.nonzeroBitCount == 1, nodeOfRank.count == nodeCount * length else { return false }
    return nodeOfRank.enumerated().allSatisfy { rank, node in node == rank / length }
  }

  /// Finds the nodes of a communicator.
  ///
  /// Collective over `whole`.
  ///
  /// - Parameter ranksPerNode: The number of consecutive ranks that count as a node, for tests on
  ///   one machine; nil for the real nodes.
  package init(of whole: Communicator, ranksPerNode: Int? = nil) throws(MPIError) {
    if let ranksPerNode {
      node = try whole.split(color: whole.rank / ranksPerNode, key: whole.rank)
    } else {
      node = try whole.splitByNode()
    }
    nodeOfRank = Self.numberNodes(try Self.leaders(of: node, in: whole))
  }

  /// The lowest rank on the node of each rank.
  private static func leaders(
    of node: Communicator, in whole: Communicator
  ) throws(MPIError) -> [Int64] {
    let leader = try node.allReduce(value: Int64(whole.rank), .minimum)
    return try whole.allGather([Int64(leader)])
  }

  /// Replaces each leader by its index among the distinct leaders.
  static func numberNodes(_ leaders: [Int64]) -> [Int] {
    let order = Set(leaders).sorted()
    return leaders.map { leader in order.firstIndex(of: leader) ?? 0 }
  }
}
