/// The part of one rank in detecting stalls: the reports that it has received, and when it has to
/// name a stalled rank.
///
/// Two observers receive the status of all ranks. Rank 0 reports a stall at once; the other one, on
/// another node if there is one, reports it after a delay, because rank 0 may be the rank that is
/// stopped. All other ranks report a stall only if no observer receives their messages.
package struct RankMonitor {
  /// What the rank monitors.
  package enum Duty: Sendable, Equatable {
    /// All ranks.
    case all
    /// All ranks, in case the first observer cannot report a stall.
    case allAfterFirst
    /// Itself, in case no observer can report a stall.
    case itself
  }

  /// The number of seconds after which the end of another process is reported; if the whole job
  /// ends, this rank ends before.
  package static let endDelay = 0.5

  /// The numbers of seconds by which a rank delays a report in favour of others: the second
  /// observer, a waiting rank that no observer receives, and a rank that makes no progress itself.
  package static let reportDelay = (second: 2.5, unobserved: 2.5, itself: 4.0)

  /// The ranks that receive the status of all others: rank 0 and the first rank on another node,
  /// else rank 1.
  ///
  /// - Parameter nodeOfRank: the node of each rank.
  package static func observers(nodeOfRank: [Int]) -> [Int] {
    let second = nodeOfRank.firstIndex { $0 != nodeOfRank[0] } ?? 1
    return second < nodeOfRank.count ? [0, second] : [0]
  }

  package let rank: Int
  package let duty: Duty
  private let observers: [Int]
  /// The longest times without progress.
  package var limits: StallLimits
  private var peers: [PeerStatus]
  /// When an observer last received a message of this rank, in seconds.
  private var delivered: Double
  private var isDisconnected = false
  private var isShutDown = false
  private var ended: (rank: Int, since: Double)?

  package init(rank: Int, size: Int, observers: [Int], limits: StallLimits, now: Double) {
    self.rank = rank
    self.observers = observers
    self.limits = limits
    duty = rank == observers.first ? .all : observers.contains(rank) ? .allAfterFirst : .itself
    peers = [PeerStatus](repeating: PeerStatus(at: now), count: size)
    delivered = now
  }

  /// Processes a report of a rank, this one included.
  package mutating func receive(_ report: Report, from rank: Int, at now: Double) {
    peers[rank].update(report.own, at: now)
    if let (other, status) = report.neighbour { peers[other].observe(status, at: now) }
  }

  /// Records that the process of a rank of this node has ended.
  package mutating func noteEnd(of rank: Int, at now: Double) {
    if ended == nil { ended = (rank, now) }
  }

  /// Records that an observer has received a message.
  package mutating func noteDelivery(at now: Double) { delivered = now }

  /// Records that messages have failed: from now on, waiting cannot be distinguished from a stall.
  package mutating func noteDisconnection() { isDisconnected = true }

  /// Records that all ranks have sent their last message; only the end of the job can still stall.
  package mutating func noteShutdown() { isShutDown = true }

  /// Restarts all intervals.
  package mutating func restart(at now: Double) {
    for rank in peers.indices { peers[rank].restart(at: now) }
    delivered = now
  }

  /// The stall that this rank has to report now; nil if there is none or another rank reports it.
  package func stall(at now: Double) -> Stall? {
    if let ended, now - ended.since >= Self.endDelay {
      let peer = peers[ended.rank]
      return Stall(
        rank: ended.rank, status: peer.status, seconds: now - peer.lastProgress, cause: .ended)
    }
    guard !isDisconnected, !isShutDown else { return ownStall(at: now) }
    return switch duty {
    case .all: StallDetector.stall(peers, at: now, limits: limits)
    case .allAfterFirst:
      // With the current status at the earlier time, a rank counts as stalled only if it was so
      // then.
      StallDetector.stall(peers, at: now - Self.reportDelay.second, limits: limits)
    case .itself: ownStall(at: now)
    }
  }

  private func ownStall(at now: Double) -> Stall? {
    let own = peers[rank]
    let isWaiting = own.status.isWaiting
    let since = isWaiting ? max(own.lastProgress, delivered) : own.lastProgress
    let limit =
      limits.limit(of: own.status)
      + (isWaiting ? Self.reportDelay.unobserved : Self.reportDelay.itself)
    guard now - since >= limit, !(isWaiting && isDisconnected) else { return nil }
    let cause: Stall.Cause = isShutDown ? .together : isWaiting ? .unwatched(observers) : .absent
    return Stall(rank: rank, status: own.status, seconds: now - own.lastProgress, cause: cause)
  }
}
