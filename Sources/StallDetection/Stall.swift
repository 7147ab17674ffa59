/// A job without progress, and the rank that causes it.
package struct Stall: Sendable, Equatable {
  /// Why this rank is named.
  package enum Cause: Sendable, Equatable {
    /// No heartbeat of the rank was received for a number of seconds.
    case silent(seconds: Double)
    /// It has not entered the collective call in which others wait, or runs alone.
    case absent
    /// It waits in an earlier or another collective call than the others; nil if it has finished.
    case mismatched(CollectiveCall?)
    /// All ranks wait in the same call.
    case together
    /// Its process has ended.
    case ended
    /// A checkpoint is being written, and the storage accepts no bytes.
    case storage
    /// The observers receive no messages, and this rank waits in a call.
    case unwatched([Int])
  }

  /// The rank.
  package let rank: Int
  /// Its current step, from 1; 0 before the first.
  package let step: Int
  /// Its phase.
  package let phase: RunPhase
  /// The number of seconds without progress.
  package let seconds: Double
  /// Why this rank is named.
  package let cause: Cause
  /// The call in which others wait, and the number of them; nil if none waits.
  package let others: Waiting?

  /// Ranks that wait in the same collective call.
  package struct Waiting: Sendable, Equatable {
    /// The call.
    package let call: CollectiveCall
    /// The number of ranks that wait in it.
    package let count: Int
  }

  /// Creates a stall of a rank.
  package init(
    rank: Int, status: RankStatus, seconds: Double, cause: Cause, others: Waiting? = nil
  ) {
    self.rank = rank
    step = status.step
    phase = status.phase
    self.seconds = seconds
    self.cause = cause
    self.others = others
  }
}

/// The largest numbers of seconds without progress.
package struct StallLimits: Sendable, Equatable, Codable {
  /// While the ranks compute.
  package let training: Double
  /// While some rank writes or reads a checkpoint.
  package let saving: Double

  /// Creates limits.
  package init(training: Double, saving: Double) {
    self.training = training
    self.saving = saving
  }

  /// No limits.
  package static let never = StallLimits(training: .infinity, saving: .infinity)

  /// The largest number of seconds that a rank takes to end after an error, all delays included.
  private static let leaving = 12.0

  /// The number of seconds without a report after which a rank counts as unable to send any.
  package var silence: Double { max(1, training / 2) }

  /// The largest number of seconds that a rank may take in a phase while it waits for no other
  /// rank.
  package func limit(of status: RankStatus) -> Double {
    if status.isLeaving { return training + Self.leaving }
    if status.phase == .finish { return max(training, saving) }
    return status.phase.usesStorage ? saving : training
  }
}
