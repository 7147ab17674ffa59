import DataParallel
import Files
import JobControl
import TensorCore

/// Detects replicas of the model that have diverged.
///
/// All ranks perform the same updates, so replicated tensors have the same bits until a fault of
/// memory or processor changes one. From then on the ranks would silently train different models.
/// Every few steps, the digests of all replicated tensors are therefore compared between ranks.
package final class ReplicaCheck {
  /// The digest of a replicated tensor.
  package struct TensorDigest: Sendable, Equatable, Codable {
    package let name: String
    package let value: UInt64
  }

  private let team: RankTeam
  private let everySteps: Int?
  /// The last step after which all replicas were equal.
  private var lastEqual = 0

  /// - Parameter everySteps: the number of steps between two comparisons; nil for none.
  package init(team: RankTeam, everySteps: Int?) {
    self.team = team
    self.everySteps = everySteps
  }

  /// Counts replicas as equal after a step, when their state has been broadcast from rank 0.
  package func begin(at step: Int) { lastEqual = step }

  /// Compares replicas if a comparison is due; collective.
  ///
  /// - Parameters:
  ///   - digests: the digests of all replicated tensors, evaluated only for a comparison.
  ///   - step: the number of steps done.
  ///   - isDue: whether a comparison is due after any step that has not been compared.
  /// - Throws: `TrainingError` naming the ranks and the first tensor that differ, on all ranks.
  package func run(
    _ digests: @autoclosure () -> [TensorDigest], step: Int, isDue: Bool = false
  ) throws {
    guard let everySteps, team.collective.size > 1, step != lastEqual,
      isDue || step.isMultiple(of: everySteps)
    else { return }
    try team.tracker.enter(.compare)
    let digests = digests()
    guard try differ(digests) else {
      lastEqual = step
      return
    }
    let all = try team.collective.gather(Self.bytes(of: digests), to: 0)
    let ranks = all.map(Self.values)
    let difference = try team.broadcast(
      team.isRoot ? Self.difference(ranks, names: digests.map(\.name)) : nil)
    throw error(difference, step: step)
  }

  /// Whether digests differ between ranks; collective, one short reduction.
  private func differ(_ digests: [TensorDigest]) throws -> Bool {
    var whole = StableDigest()
    Self.bytes(of: digests).withUnsafeBytes { whole.add($0) }
    // The maximum, and the maximum of the complement, which is the complement of the minimum.
    let own = Int64(bitPattern: whole.value)
    var bounds = [own, ~own]
    try bounds.withUnsafeMutableBufferPointer { try team.collective.allReduceMax($0) }
    return bounds[0] != ~bounds[1]
  }

  private func error(_ difference: Difference?, step: Int) -> TrainingError {
    let since = lastEqual == 0 ? "the start" : "step \(lastEqual)"
    return TrainingError(
      kind: .disagreement, place: "step \(step)",
      reason: difference?.description ?? "the ranks hold different bits of the model",
      cure: "Memory or a processor has failed: test the nodes, and go on from a checkpoint of "
        + "\(since), when all ranks last held the same.")
  }

  private static func bytes(of digests: [TensorDigest]) -> [UInt8] {
    digests.flatMap { digest in withUnsafeBytes(of: digest.value.littleEndian, Array.init) }
  }

  private static func values(of bytes: [UInt8]) -> [UInt64] {
    bytes.withUnsafeBytes { raw in
      (0..<raw.count / 8).map {
        UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self))
      }
    }
  }
}

// MARK: - Differences

extension ReplicaCheck {
  /// The first tensor that differs between ranks, and the ranks that differ from the majority.
  package struct Difference: Sendable, Equatable, Codable, CustomStringConvertible {
    package let tensor: String
    /// The ranks outside the majority; empty if no bits have a majority.
    package let minority: [Int]
    package let rankCount: Int

    package var description: String {
      guard let first = minority.first else {
        let ranks = rankCount == 2 ? "rank 0 and rank 1 hold" : "the ranks hold"
        return "\(ranks) different bits of \(tensor), and nothing tells which are right"
      }
      guard minority.count > 1 else {
        return "rank \(first) holds other bits of \(tensor) than the other ranks"
      }
      let names = minority.map(String.init).joined(separator: ", ")
      return "ranks \(names) hold other bits of \(tensor) than the other ranks"
    }
  }

  /// Returns the first difference between ranks; nil if there is none.
  ///
  /// - Parameters:
  ///   - ranks: the digests of each rank, in rank order.
  ///   - names: the tensor of each digest.
  package static func difference(_ ranks: [[UInt64]], names: [String]) -> Difference? {
    for (index, name) in names.enumerated() {
      let values = ranks.map { index < $0.count ? $0[index] : 0 }
      let groups = Dictionary(grouping: values.indices) { values[$0] }
      guard groups.count > 1 else { continue }
      let majority = groups.values.first { 2 * $0.count > values.count }
      let minority = majority.map { Set(values.indices).subtracting($0).sorted() } ?? []
      return Difference(tensor: name, minority: minority, rankCount: values.count)
    }
    return nil
  }
}
