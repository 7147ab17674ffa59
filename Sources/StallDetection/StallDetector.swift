/// What an observer knows of a rank; times are seconds on the observer's clock.
package struct PeerStatus: Sendable, Equatable {
  /// What the rank said last.
  package private(set) var status = RankStatus()
  /// When it said so.
  package private(set) var heard: Double
  /// When the rank last got something done.
  package private(set) var moved: Double
  /// When it last got a byte of a checkpoint written.
  package private(set) var saved: Double

  /// A rank of which nothing is known yet.
  package init(at now: Double) {
    (heard, moved, saved) = (now, now, now)
  }

  /// Takes in what the rank says.
  package mutating func hear(_ new: RankStatus, at now: Double) {
    let hasSaved = new.savedBytes != status.savedBytes
    // A save is progress to those who wait for it; a step that hangs is not helped by one.
    if new.progress != status.progress || hasSaved && new.phase.usesStorage { moved = now }
    if hasSaved || !new.isSaving { saved = now }
    heard = now
    status = new
  }

  /// Takes in what a neighbour of the rank sees it do; the rank itself may be unable to say so.
  package mutating func observe(_ new: RankStatus, at now: Double) {
    let before = heard
    // It may be older than what the rank has said meanwhile.
    guard new.progress >= status.progress else { return }
    hear(new, at: now)
    heard = before
  }

  /// Counts all times from now, because the clock ran while nobody could do anything.
  package mutating func restart(at now: Double) {
    (heard, moved, saved) = (now, now, now)
  }
}

/// Finds out whether a job is stalled, and the rank that holds it up.
///
/// The job stands still when no rank has got anything done for the time that the slowest of their
/// phases may take. Time spent waiting is no progress, so a job whose ranks wait for one is judged
/// by what that one does. A function of its arguments alone.
package enum StallDetector {
  /// Returns the rank that holds the job up; nil while it goes on.
  ///
  /// - Parameters:
  ///   - ranks: What is known of each rank, in rank order.
  ///   - now: The time on the clock of the sightings.
  ///   - limits: How long things may take.
  package static func stall(_ ranks: [PeerStatus], at now: Double, limits: StallLimits) -> Stall? {
    let isSilent = ranks.map { rank in
      // A rank that has finished says so and then nothing more.
      rank.status.phase != .finish && now - rank.heard >= limits.silence
    }
    if let stall = hungSave(ranks, isSilent, at: now, limits) { return stall }
    let idle = now - (ranks.map(\.moved).max() ?? now)
    let workers = zip(ranks, isSilent).filter {
      !$1 && (!$0.status.isWaiting || $0.status.isLeaving)
    }
    let limit = workers.map { limits.limit(of: $0.0.status) }.max() ?? limits.training
    guard idle >= limit else { return nil }
    return name(ranks, isSilent, at: now, idle: idle)
  }

  /// A checkpoint that is written in the background while training goes on.
  private static func hungSave(
    _ ranks: [PeerStatus], _ isSilent: [Bool], at now: Double, _ limits: StallLimits
  ) -> Stall? {
    for (rank, sighting) in ranks.enumerated()
    where sighting.status.isSaving && !isSilent[rank] && now - sighting.saved >= limits.saving {
      var status = sighting.status
      status.phase = .save
      return Stall(
        rank: rank, status: status, seconds: now - sighting.saved, cause: .storage,
        others: waiting(ranks, except: rank))
    }
    return nil
  }

  private static func name(
    _ ranks: [PeerStatus], _ isSilent: [Bool], at now: Double, idle: Double
  ) -> Stall? {
    func stall(_ rank: Int, _ cause: Stall.Cause) -> Stall {
      Stall(
        rank: rank, status: ranks[rank].status, seconds: idle, cause: cause,
        others: waiting(ranks, except: rank))
    }
    let silent = ranks.indices.filter { isSilent[$0] }
    if let rank = silent.min(by: { ranks[$0].heard < ranks[$1].heard }) {
      return stall(rank, .silent(seconds: now - ranks[rank].heard))
    }
    let working = ranks.indices.filter { !ranks[$0].status.isWaiting }
    if let rank = working.min(by: { ranks[$0].moved < ranks[$1].moved }) {
      return stall(rank, .absent)
    }
    guard let rank = astray(ranks) else { return nil }
    let isAlike = ranks.allSatisfy { $0.status.stand == ranks[rank].status.stand }
    return stall(rank, isAlike ? .together : .astray(ranks[rank].status.call))
  }

  /// Of ranks that all wait, the first whose call is the earliest, or else the one that fewest
  /// are in.
  private static func astray(_ ranks: [PeerStatus]) -> Int? {
    let stands = ranks.map(\.status.stand)
    func crowd(_ rank: Int) -> Int { stands.count { $0 == stands[rank] } }
    return stands.indices.min { left, right in
      (stands[left].sequence, crowd(left)) < (stands[right].sequence, crowd(right))
    }
  }

  /// The call in which most of the other ranks wait.
  private static func waiting(_ ranks: [PeerStatus], except rank: Int) -> Stall.Waiting? {
    var counts: [RankStatus.Stand: Int] = [:]
    for other in ranks.indices where other != rank {
      if ranks[other].status.call != nil { counts[ranks[other].status.stand, default: 0] += 1 }
    }
    let most = counts.max { ($0.value, $0.key.sequence) < ($1.value, $1.key.sequence) }
    return most.flatMap { stand, count in
      stand.call.map { Stall.Waiting(call: $0, count: count) }
    }
  }
}

extension RankStatus {
  /// How far a waiting rank has come: the number of calls, and the one it is in.
  fileprivate struct Stand: Hashable {
    let sequence: UInt64
    /// Nil for a rank that has finished.
    let call: CollectiveCall?
  }

  fileprivate var stand: Stand { Stand(sequence: sequence, call: call) }
}
