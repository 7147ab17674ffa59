import MPIKit

extension ProcessorShare {
  /// What slows this rank down, with its cure; one warning for each cause.
  package var warnings: [String] {
    let fairByQuota = node.quota.map { $0 / Double(ranksOnNode) } ?? .infinity
    let fairByCores = min(
      Double(coresInMask), Double(coresTogether) / Double(overlappingRanks))
    guard Double(threads) > min(fairByQuota, fairByCores) else { return [] }
    return [fairByQuota < fairByCores ? quotaWarning : coreWarning]
  }

  private var quotaWarning: String {
    let quota = node.quota ?? .infinity
    return "the container may use \(quota) cores, but \(Self.count(ranksOnNode, "rank")) with "
      + "\(Self.count(threads, "thread")) each want\(ranksOnNode == 1 ? "s" : "") more. "
      + "Raise its CPU limit, or \(cure(cores: Int(quota), ranks: ranksOnNode))"
  }

  private var coreWarning: String {
    let cores = Self.count(coresTogether, "core")
    let facts =
      overlappingRanks == 1
      ? "\(Self.count(threads, "thread")) must share \(cores), all that the rank may use. "
      : "\(overlappingRanks) ranks with \(Self.count(threads, "thread")) each share \(cores). "
    let cure = cure(cores: coresTogether, ranks: overlappingRanks)
    guard isLaunched, isBound, threads * ranksOnNode <= node.online else {
      return facts + cure.prefix(1).uppercased() + cure.dropFirst()
    }
    return facts + "Start with mpirun --map-by slot:PE=\(threads) --bind-to core, or \(cure)"
  }

  /// The advice for a number of ranks on a number of cores: fewer threads, else fewer ranks.
  private func cure(cores: Int, ranks: Int) -> String {
    let fair = cores / ranks
    if fair > 0 { return "set --threads \(fair)." }
    let most = max(1, cores / threads)
    let isEnough = most * threads <= max(1, cores)
    return isEnough
      ? "start at most \(Self.count(most, "rank")) here."
      : "start at most \(Self.count(max(1, cores), "rank")) here, with --threads 1."
  }
}
