/// A job that makes no progress, and the rank that holds it up.
package struct Stall: Sendable, Equatable {
  /// Why just this rank is named.
  package enum Cause: Sendable, Equatable {
    /// Nothing has been heard from it for so many seconds.
    case silent(seconds: Double)
    /// It has not come to the collective call in which others wait, or works alone.
    case absent
    /// It waits in an earlier or another collective call than the others.
    case astray(CollectiveCall?)
    /// All ranks wait in the same call; none of them is missing.
    case together
    /// Its process is not there any more.
    case ended
    /// A checkpoint is being written, and not a byte of it gets through.
    case storage
    /// The ranks that watch over the job take no messages any more, and this one waits in a call.
    case unwatched([Int])
  }

  /// The rank.
  package let rank: Int
  /// The step that it is in, from 1; 0 before the first.
  package let step: Int
  /// What it is doing there.
  package let phase: RunPhase
  /// For how long nothing has moved.
  package let seconds: Double
  /// Why just this rank is named.
  package let cause: Cause
  /// The call in which the others wait, and how many of them; nil where none waits.
  package let others: Waiting?

  /// Ranks that wait in the same collective call.
  package struct Waiting: Sendable, Equatable {
    /// The call.
    package let call: CollectiveCall
    /// How many ranks wait in it.
    package let count: Int
  }

  /// Names a rank.
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

/// How many seconds may pass without progress.
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

  /// Nothing takes too long.
  package static let never = StallLimits(training: .infinity, saving: .infinity)

  /// The longest that a rank takes to leave after an error, courtesy and last words included.
  private static let leaving = 12.0

  /// The silence after which a rank counts as one that cannot speak.
  package var silence: Double { max(1, training / 2) }

  /// How long a rank may take for what it does while it waits for no other.
  package func limit(of status: RankStatus) -> Double {
    if status.isLeaving { return training + Self.leaving }
    if status.phase == .finish { return max(training, saving) }
    return status.phase.usesStorage ? saving : training
  }
}
