import Dispatch
import Foundation
import MPIKit
import Synchronization

/// A thread beside the one that works, which ends the job when it makes no progress.
///
/// It reads this rank's ``Heartbeat``, exchanges it with the observers, and calls `onStall` once,
/// from its own thread, when ``RankMonitor`` says so. A few times a second it wakes for microseconds.
package final class Watchdog: @unchecked Sendable {
  private enum Ending: Int {
    case notYet
    case shutdown
    case now
  }

  /// The time between two looks while the last messages are on their way.
  private static let shutdownPeriod = 0.002

  /// How much longer than it wanted a thread sleeps only if it was stopped, in seconds.
  private static let longestOversleep = 1.0

  private let heartbeat: Heartbeat
  private let limits: Mutex<StallLimits>
  private let onStall: @Sendable (Stall) -> Void
  private let start = SuspendingClock.now
  private let ending = Atomic(Ending.notYet.rawValue)
  private let wake = DispatchSemaphore(value: 0)
  private let messagesAreOver = DispatchSemaphore(value: 0)
  private let hasEnded = DispatchSemaphore(value: 0)

  // The thread alone touches these once it runs.
  private var monitor: RankMonitor
  private let neighbour: NextRankOnNode?
  private let exchange: StatusExchange?
  private var isBroken = false

  /// Prepares a watchdog, which ``run()`` starts.
  ///
  /// - Parameters:
  ///   - rank: this rank.
  ///   - size: the number of ranks.
  ///   - observers: the ranks that hear of all others.
  ///   - heartbeat: of this rank.
  ///   - neighbour: whose heartbeat this rank sees.
  ///   - exchange: carries messages; nil for a rank that is alone, or cannot use MPI from a thread.
  ///   - limits: how long things may take.
  ///   - onStall: is to end the job.
  package init(
    rank: Int, size: Int, observers: [Int], heartbeat: Heartbeat, neighbour: NextRankOnNode?,
    exchange: StatusExchange?, limits: StallLimits, onStall: @escaping @Sendable (Stall) -> Void
  ) {
    self.heartbeat = heartbeat
    self.neighbour = neighbour
    self.exchange = exchange
    self.onStall = onStall
    self.limits = Mutex(limits)
    monitor = RankMonitor(rank: rank, size: size, observers: observers, limits: limits, now: 0)
    if exchange == nil, size > 1 { monitor.cutOff() }
  }

  /// Starts the thread.
  package func run() {
    Thread.detachNewThread { [self] in watch() }
  }

  /// Goes by other limits from now on.
  package func setLimits(_ new: StallLimits) { limits.withLock { $0 = new } }

  /// Waits until all ranks have come here and no message is under way, so that MPI may be ended.
  ///
  /// From then on the thread does not look at the heartbeat, nor at the neighbour's.
  package func endMessages() {
    ending.store(Ending.shutdown.rawValue, ordering: .releasing)
    wake.signal()
    messagesAreOver.wait()
  }

  /// Ends the thread.
  package func stop() {
    ending.store(Ending.now.rawValue, ordering: .releasing)
    wake.signal()
    hasEnded.wait()
  }

  /// The time between two looks: short against the limits, so that a stall is seen soon after them.
  private var period: Double {
    min(0.25, min(monitor.limits.training, monitor.limits.saving) / 20)
  }

  private var now: Double { (SuspendingClock.now - start) / .seconds(1) }

  private func watch() {
    defer {
      messagesAreOver.signal()
      hasEnded.signal()
    }
    var last = now
    var isOver = false
    while true {
      let wish = Ending(rawValue: ending.load(ordering: .acquiring))
      if wish == .now { return }
      let now = now
      monitor.limits = limits.withLock { $0 }
      // The clock ran while nobody could do anything, for perhaps the whole job was stopped.
      if now - last > period + Self.longestOversleep { monitor.restart(at: now) }
      last = now
      if !isOver, look(at: now, isLeaving: wish == .shutdown) {
        isOver = true
        monitor.noteShutdown()
        messagesAreOver.signal()
      }
      if let stall = monitor.stall(at: now) { return onStall(stall) }
      _ = wake.wait(
        timeout: .now() + (wish == .shutdown && !isOver ? Self.shutdownPeriod : period))
    }
  }

  /// Exchanges one round of messages.
  ///
  /// - Returns: whether it was the last.
  private func look(at now: Double, isLeaving: Bool) -> Bool {
    let report = Report(
      own: heartbeat.status, neighbour: neighbour.map { (rank: $0.rank, status: $0.status) })
    monitor.hear(report, from: monitor.rank, at: now)
    if let neighbour, neighbour.hasEnded { monitor.noteEnd(of: neighbour.rank, at: now) }
    guard let exchange, !isBroken else { return isLeaving }
    do throws(MPIError) {
      try exchange.receive { rank, report in monitor.hear(report, from: rank, at: now) }
      if isLeaving { return try exchange.advanceShutdown(report) }
      if try exchange.tell(report) { monitor.noteTaken(at: now) }
    } catch {
      // The rank that works meets the same error, or none; either way it is not for us to tell.
      isBroken = true
      monitor.cutOff()
    }
    return false
  }
}
