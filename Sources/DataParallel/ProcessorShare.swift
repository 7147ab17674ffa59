import MPIKit

/// The cores and threads that one rank computes with.
package struct ProcessorShare: Sendable, Equatable {
  /// The number of ranks of the job.
  package let ranks: Int

  /// The number of nodes of the job.
  package let nodes: Int

  /// The number of ranks on this node.
  package let ranksOnNode: Int

  /// The cores of this node.
  package let node: NodeProcessors

  /// The number of cores that this rank may run on.
  package let coresInMask: Int

  /// The number of ranks of this node, this one included, whose cores overlap with this rank's.
  package let overlappingRanks: Int

  /// The number of cores that those ranks have together.
  package let coresTogether: Int

  /// The number of threads of a rank, in BLAS and in the kernels of this program.
  package let threads: Int

  /// The source of ``threads``.
  package let source: ThreadSource

  /// Whether a launcher such as `mpirun` started this rank.
  package let isLaunched: Bool

  /// The largest number of threads that is accepted.
  package static let largestThreadCount = 1024

  /// What determines the number of threads.
  package enum ThreadSource: Sendable, Equatable {
    /// `--threads`.
    case option
    /// `OPENBLAS_NUM_THREADS`.
    case environment
    /// The cores of the mask, shared between the ranks that overlap.
    case cores
  }

  /// Whether this rank may use only some of the node's cores.
  package var isBound: Bool { coresInMask < node.online }

  /// Whether more ranks than cores share the cores of this rank.
  package var ranksOutnumberCores: Bool {
    overlappingRanks > coresTogether || Double(ranksOnNode) > node.quota ?? .infinity
  }

  /// Computes the share of a rank.
  ///
  /// ```
  /// threads = --threads, else OPENBLAS_NUM_THREADS,
  ///           else max(1, cores in this rank's mask / ranks whose masks overlap it)
  /// ```
  ///
  /// - Parameters:
  ///   - ranks: The ranks of the job.
  ///   - nodes: The nodes of the job.
  ///   - masks: The mask of each rank on this node.
  ///   - ownIndex: The index of this rank in `masks`.
  ///   - node: The cores of this node.
  ///   - threads: The value of `--threads`.
  ///   - variables: The environment variables of this rank.
  package init(
    ranks: Int, nodes: Int, masks: [ProcessorMask], ownIndex: Int, node: NodeProcessors,
    threads: Int?, variables: [String: String]
  ) {
    let own = masks[ownIndex]
    let overlapping = masks.filter { $0.overlaps(own) }
    self.ranks = ranks
    self.nodes = nodes
    ranksOnNode = masks.count
    self.node = node
    coresInMask = own.count
    overlappingRanks = max(1, overlapping.count)
    coresTogether = overlapping.reduce(own) { $0.union($1) }.count
    let fair = max(1, coresInMask / overlappingRanks)
    let fromEnvironment = variables["OPENBLAS_NUM_THREADS"].flatMap(Int.init)
      .flatMap { $0 > 0 ? min($0, Self.largestThreadCount) : nil }
    self.threads = threads ?? fromEnvironment ?? fair
    isLaunched = Launcher.isPresent(in: variables)
    source = threads != nil ? .option : fromEnvironment != nil ? .environment : .cores
  }

  /// One line for the start of a run.
  package var summary: String {
    let binding = isBound ? "bound to \(coresInMask) of them" : "unbound"
    return "\(Self.count(ranks, "rank")) on \(Self.count(nodes, "node")) (\(ranksOnNode) here), "
      + "\(Self.count(node.online, "core")) here, \(binding), "
      + "\(Self.count(threads, "thread")) a rank"
  }

  static func count(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

}

extension ProcessorShare {
  /// The share of a program without a launcher.
  package static func ofSoloProgram(
    threads: Int?, variables: [String: String]
  ) -> ProcessorShare {
    let node = NodeProcessors.ofThisNode()
    return ProcessorShare(
      ranks: 1, nodes: 1, masks: [ownMask(on: node)], ownIndex: 0, node: node, threads: threads,
      variables: variables)
  }

  /// The share of this rank.
  ///
  /// Collective over the ranks of the node.
  package static func measure(
    _ layout: NodeLayout, threads: Int?, variables: [String: String]
  ) throws(MPIError) -> ProcessorShare {
    let node = NodeProcessors.ofThisNode()
    let masks = try gather(ownMask(on: node), layout.node)
    return ProcessorShare(
      ranks: layout.nodeOfRank.count, nodes: layout.nodeCount, masks: masks,
      ownIndex: layout.node.rank, node: node, threads: threads, variables: variables)
  }

  /// The mask of this process; all cores of the node if the kernel does not report it.
  private static func ownMask(on node: NodeProcessors) -> ProcessorMask {
    if let mask = ProcessorMask.ofThisProcess() { return mask }
    var words = [UInt64](repeating: 0, count: (node.online + 63) / 64)
    for core in 0..<node.online { words[core / 64] |= 1 << (core % 64) }
    return ProcessorMask(words: words)
  }

  private static func gather(
    _ mask: ProcessorMask, _ node: Communicator
  ) throws(MPIError) -> [ProcessorMask] {
    let length = Int(try node.allReduce(value: Int64(mask.words.count), .maximum))
    let padding = [UInt64](repeating: 0, count: length - mask.words.count)
    let own = (mask.words + padding).map { Int64(bitPattern: $0) }
    let all = try node.allGather(own)
    return (0..<node.size).map { rank in
      ProcessorMask(
        words: all[rank * length..<(rank + 1) * length].map { UInt64(bitPattern: $0) })
    }
  }
}
