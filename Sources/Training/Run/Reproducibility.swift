import Checkpointing

/// What the last bits of a run depend on beyond its configuration and data.
package enum Reproducibility {
  /// The facts that must be equal on all ranks of a reproducible run, with their names in messages.
  package static var facts: [(name: String, value: String)] {
    libraries.dropFirst().map { ($0.name, RunDescription.libraries[$0.key] ?? "") }
  }

  private static let libraries = [
    (key: "program_version", name: "program version"),
    (key: "program_build", name: "build of the program"), (key: "blas_kernel", name: "BLAS kernel"),
    (key: "blas_version", name: "OpenBLAS"), (key: "c_library", name: "C library"),
  ]

  /// The reasons why a resumed run differs in its bits from an uninterrupted one.
  ///
  /// - Parameters:
  ///   - metadata: the metadata of the checkpoint; an absent fact counts as unchanged.
  ///   - now: the metadata of the checkpoints that this run writes.
  ///   - microBatches: the number of micro-batches; nil if it is that of the ranks.
  /// - Returns: one sentence for each reason.
  package static func changes(
    from metadata: [String: String], to now: [String: String], microBatches: Int?
  ) -> [String] {
    var facts = libraries
    if microBatches == nil { facts.append((CheckpointCoding.Key.ranks, "number of ranks")) }
    let differences = facts.compactMap { key, name -> String? in
      guard let before = metadata[key], let after = now[key], before != after else { return nil }
      return """
        the checkpoint was written with the \(name) \(before), this run has \(after): from here on \
        the bits differ from those of a run that is not interrupted.
        """
    }
    return differences + [earlierUnevenRanks(metadata, microBatches)].compactMap(\.self)
  }

  private static func earlierUnevenRanks(
    _ metadata: [String: String], _ microBatches: Int?
  ) -> String? {
    guard microBatches != nil, let ranks = metadata[CheckpointCoding.Key.unevenRanks] else {
      return nil
    }
    return """
      steps before the checkpoint were trained on \(ranks) ranks, no power of two: the bits may differ \
      from those of a run that was on 1, 2, 4 or more such ranks throughout.
      """
  }

  /// A warning if ranks do not hold whole subtrees of the sum over micro-batches; nil otherwise.
  ///
  /// - Parameters:
  ///   - microBatches: the number of micro-batches, a power of two; nil if it is that of the ranks.
  ///   - ranks: the number of ranks.
  package static func unevenRanks(microBatches: Int?, ranks: Int) -> String? {
    guard let microBatches, ranks.nonzeroBitCount != 1 else { return nil }
    return """
      train.microBatches is \(microBatches), but \(ranks) ranks are no power of two: the bits may \
      differ from those at 1, 2, 4 or more such ranks.
      """
  }
}
