/// The status of a rank as an observer has received it; times are seconds on the observer's clock.
package struct PeerStatus: Sendable, Equatable {
  /// The last status of the rank.
  package private(set) var status = RankStatus()
  /// When it was received.
  package private(set) var lastReport: Double
  /// When the rank last made progress.
  package private(set) var lastProgress: Double
  /// When it last wrote a byte of a checkpoint.
  package private(set) var lastSave: Double

  /// A rank without a report.
  package init(at now: Double) {
    (lastReport, lastProgress, lastSave) = (now, now, now)
  }

  /// Processes a report of the rank.
  package mutating func update(_ new: RankStatus, at now: Double) {
    let hasSaved = new.savedBytes != status.savedBytes
    // A save is progress in a phase that waits for storage, but not in a step that hangs.
    if new.progress != status.progress || hasSaved && new.phase.usesStorage { lastProgress = now }
    if hasSaved || !new.isSaving { lastSave = now }
    lastReport = now
    status = new
  }

  /// Processes the status of the rank as reported by its neighbour; the rank itself may be unable
  /// to.
  package mutating func observe(_ new: RankStatus, at now: Double) {
    let before = lastReport
    // It may be older than the last report of the rank.
    guard new.progress >= status.progress else { return }
    update(new, at: now)
    lastReport = before
  }

  /// Restarts all intervals, because the clock ran while the job was stopped.
  package mutating func restart(at now: Double) {
    (lastReport, lastProgress, lastSave) = (now, now, now)
  }
}

/// Detects a stalled job and the rank that causes it.
///
/// A job is stalled when no rank has made progress for the time that the slowest of their phases
/// may take. Waiting is no progress, so a job whose ranks wait for one is judged by the phase of
/// that one. The result is a function of the arguments.
package enum StallDetector {
  /// Returns the rank that causes a stall; nil while the job makes progress.
  ///
  /// - Parameters:
  ///   - ranks: The status of each rank, in rank order.
  ///   - now: The current time in seconds, on the clock of the status.
  ///   - limits: The largest numbers of seconds without progress.
  package static func stall(_ ranks: [PeerStatus], at now: Double, limits: StallLimits) -> Stall? {
    let isSilent = ranks.map { rank in
      // A rank that has finished sends no further reports.
      rank.status.phase != .finish && now - rank.lastReport >= limits.silence
    }
    if let stall = hungSave(ranks, isSilent, at: now, limits) { return stall }
    let idle = now - (ranks.map(\.lastProgress).max() ?? now)
    let workers = zip(ranks, isSilent).filter {
      !$1 && (!$0.status.isWaiting || $0.status.isLeaving)
    }
    let limit = workers.map { limits.limit(of: $0.0.status) }.max() ?? limits.training
    guard idle >= limit else { return nil }
    return identify(ranks, isSilent, at: now, idle: idle)
  }

  /// A stalled save in the background of a training run.
  private static func hungSave(
    _ ranks: [PeerStatus], _ isSilent: [Bool], at now: Double, _ limits: StallLimits
  ) -> Stall? {
    for (rank, peer) in ranks.enumerated()
    where peer.status.isSaving && !isSilent[rank] && now - peer.lastSave >= limits.saving {
      var status = peer.status
      status.phase = .save
      return Stall(
        rank: rank, status: status, seconds: now - peer.lastSave, cause: .storage,
        others: waiting(ranks, except: rank))
    }
    return nil
  }

  private static func identify(
    _ ranks: [PeerStatus], _ isSilent: [Bool], at now: Double, idle: Double
  ) -> Stall? {
    func stall(_ rank: Int, _ cause: Stall.Cause) -> Stall {
      Stall(
        rank: rank, status: ranks[rank].status, seconds: idle, cause: cause,
        others: waiting(ranks, except: rank))
    }
    let silent = ranks.indices.filter { isSilent[$0] }
    if let rank = silent.min(by: { ranks[$0].lastReport < ranks[$1].lastReport }) {
      return stall(rank, .silent(seconds: now - ranks[rank].lastReport))
    }
    let working = ranks.indices.filter { !ranks[$0].status.isWaiting }
    if let rank = working.min(by: { ranks[$0].lastProgress < ranks[$1].lastProgress }) {
      return stall(rank, .absent)
    }
    guard let rank = mismatched(ranks) else { return nil }
    let isAlike = ranks.allSatisfy { $0.status.waitPoint == ranks[rank].status.waitPoint }
    return stall(rank, isAlike ? .together : .mismatched(ranks[rank].status.call))
  }

  /// Of ranks that all wait, the first of those in the earliest call, or else in the call with the
  /// fewest ranks.
  private static func mismatched(_ ranks: [PeerStatus]) -> Int? {
    let points = ranks.map(\.status.waitPoint)
    func rankCount(_ rank: Int) -> Int { points.count { $0 == points[rank] } }
    return points.indices.min { left, right in
      (points[left].sequence, rankCount(left)) < (points[right].sequence, rankCount(right))
    }
  }

  /// The call in which most of the other ranks wait.
  private static func waiting(_ ranks: [PeerStatus], except rank: Int) -> Stall.Waiting? {
    var counts: [RankStatus.WaitPoint: Int] = [:]
    for other in ranks.indices where other != rank {
      if ranks[other].status.call != nil { counts[ranks[other].status.waitPoint, default: 0] += 1 }
    }
    let most = counts.max { ($0.value, $0.key.sequence) < ($1.value, $1.key.sequence) }
    return most.flatMap { waitPoint, count in
      waitPoint.call.map { Stall.Waiting(call: $0, count: count) }
    }
  }
}

extension RankStatus {
  /// The point at which a rank waits: the number of its calls, and the current one.
  fileprivate struct WaitPoint: Hashable {
    let sequence: UInt64
    /// Nil for a rank that has finished.
    let call: CollectiveCall?
  }

  fileprivate var waitPoint: WaitPoint { WaitPoint(sequence: sequence, call: call) }
}
