/// One rank's part in watching over the job: what it has heard, and when it must speak.
///
/// Two observers hear of all ranks. Rank 0 speaks at once; the other, on another node where there is
/// one, gives it time to, for it may be rank 0 that is stopped. All other ranks speak only when
/// neither observer takes their messages any more.
package struct RankMonitor {
  /// What the rank has to look at.
  package enum Duty: Sendable, Equatable {
    /// All ranks.
    case all
    /// All ranks, in case that the first observer cannot speak.
    case allAfterFirst
    /// Itself, in case that no observer can speak.
    case itself
  }

  /// The seconds that an ended process has been gone for before it is told; where its end is part
  /// of the job's, this rank does not live so long.
  package static let mourning = 0.5

  /// The seconds that each leaves those who are to speak before it: the second observer the first,
  /// a rank that no observer hears both, and a rank that hangs by itself everybody.
  package static let courtesy = (second: 2.5, unheard: 2.5, itself: 4.0)

  /// The ranks that hear of all others: rank 0 and the first one on another node, else rank 1.
  ///
  /// - Parameter nodeOfRank: the node of each rank.
  package static func observers(nodeOfRank: [Int]) -> [Int] {
    let second = nodeOfRank.firstIndex { $0 != nodeOfRank[0] } ?? 1
    return second < nodeOfRank.count ? [0, second] : [0]
  }

  package let rank: Int
  package let duty: Duty
  private let observers: [Int]
  /// How long things may take.
  package var limits: StallLimits
  private var sightings: [PeerStatus]
  /// When an observer last took a message of this rank.
  private var taken: Double
  private var isCutOff = false
  private var isLast = false
  private var ended: (rank: Int, since: Double)?

  package init(rank: Int, size: Int, observers: [Int], limits: StallLimits, now: Double) {
    self.rank = rank
    self.observers = observers
    self.limits = limits
    duty = rank == observers.first ? .all : observers.contains(rank) ? .allAfterFirst : .itself
    sightings = [PeerStatus](repeating: PeerStatus(at: now), count: size)
    taken = now
  }

  /// Takes in what a rank says, this one included.
  package mutating func hear(_ report: Report, from rank: Int, at now: Double) {
    sightings[rank].hear(report.own, at: now)
    if let (other, status) = report.neighbour { sightings[other].observe(status, at: now) }
  }

  /// Notes that the process of a rank of this node is not there any more.
  package mutating func noteEnd(of rank: Int, at now: Double) {
    if ended == nil { ended = (rank, now) }
  }

  /// Notes that an observer has taken a message.
  package mutating func noteTaken(at now: Double) { taken = now }

  /// Notes that messages have failed: from now on a wait cannot be told from a stall.
  package mutating func cutOff() { isCutOff = true }

  /// Notes that all ranks have said their last word; only the end itself can still hang.
  package mutating func noteShutdown() { isLast = true }

  /// Counts all times from now.
  package mutating func restart(at now: Double) {
    for rank in sightings.indices { sightings[rank].restart(at: now) }
    taken = now
  }

  /// The stall that this rank has to speak of now; nil where there is none or others will.
  package func stall(at now: Double) -> Stall? {
    if let ended, now - ended.since >= Self.mourning {
      let sighting = sightings[ended.rank]
      return Stall(
        rank: ended.rank, status: sighting.status, seconds: now - sighting.moved, cause: .ended)
    }
    guard !isCutOff, !isLast else { return ownStall(at: now) }
    return switch duty {
    case .all: StallDetector.stall(sightings, at: now, limits: limits)
    case .allAfterFirst:
      // Judged by what it knows now and as of then, it is named only when it was stalled then too.
      StallDetector.stall(sightings, at: now - Self.courtesy.second, limits: limits)
    case .itself: ownStall(at: now)
    }
  }

  private func ownStall(at now: Double) -> Stall? {
    let own = sightings[rank]
    let isWaiting = own.status.isWaiting
    let since = isWaiting ? max(own.moved, taken) : own.moved
    let limit =
      limits.limit(of: own.status) + (isWaiting ? Self.courtesy.unheard : Self.courtesy.itself)
    guard now - since >= limit, !(isWaiting && isCutOff) else { return nil }
    let cause: Stall.Cause = isLast ? .together : isWaiting ? .unwatched(observers) : .absent
    return Stall(rank: rank, status: own.status, seconds: now - own.moved, cause: cause)
  }
}
