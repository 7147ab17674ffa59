import Dispatch
import Foundation
import MPIKit
import Synchronization

/// A thread that detects a stalled job.
///
/// It reads this rank's ``Heartbeat``, exchanges it with the observers, and calls `onStall` once,
/// on its own thread, when ``RankMonitor`` reports a stall. It wakes a few times a second for
/// microseconds.
package final class Watchdog: @unchecked Sendable {
  private enum Ending: Int {
    case notYet
    case shutdown
    case now
  }

  /// The period in seconds while the last messages are exchanged.
  private static let shutdownPeriod = 0.002

  /// The number of seconds by which a thread oversleeps only if it was stopped.
  private static let longestOversleep = 1.0

  private let heartbeat: Heartbeat
  private let limits: Mutex<StallLimits>
  private let onStall: @Sendable (Stall) -> Void
  private let start = SuspendingClock.now
  private let ending = Atomic(Ending.notYet.rawValue)
  private let wake = DispatchSemaphore(value: 0)
  private let messagesAreOver = DispatchSemaphore(value: 0)
  private let hasEnded = DispatchSemaphore(value: 0)

  // Only the thread uses these after its start.
  private var monitor: RankMonitor
  private let neighbour: NextRankOnNode?
  private let exchange: StatusExchange?
  private var isBroken = false

  /// Creates a watchdog, which ``run()`` starts.
  ///
  /// - Parameters:
  ///   - rank: this rank.
  ///   - size: the number of ranks.
  ///   - observers: the ranks that receive the status of all others.
  ///   - heartbeat: the heartbeat of this rank.
  ///   - neighbour: the rank whose heartbeat this rank can read.
  ///   - exchange: sends messages; nil for a single rank, or if MPI cannot be called on several
  ///     threads.
  ///   - limits: the largest numbers of seconds without progress.
  ///   - onStall: called with the stall; has to end the job.
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
    if exchange == nil, size > 1 { monitor.noteDisconnection() }
  }

  /// Starts the thread.
  package func run() {
    Thread.detachNewThread { [self] in watch() }
  }

  /// Replaces the limits.
  package func setLimits(_ new: StallLimits) { limits.withLock { $0 = new } }

  /// Blocks until all ranks have called it and no message is in transit, so that MPI may be
  /// finalized.
  ///
  /// After it, the thread reads neither heartbeat.
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

  /// The period in seconds, short compared with the limits, so that a stall is detected soon after
  /// them.
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
      let request = Ending(rawValue: ending.load(ordering: .acquiring))
      if request == .now { return }
      let now = now
      monitor.limits = limits.withLock { $0 }
      // The thread was stopped, and perhaps the whole job, while the clock ran.
      if now - last > period + Self.longestOversleep { monitor.restart(at: now) }
      last = now
      if !isOver, poll(at: now, isLeaving: request == .shutdown) {
        isOver = true
        monitor.noteShutdown()
        messagesAreOver.signal()
      }
      if let stall = monitor.stall(at: now) { return onStall(stall) }
      _ = wake.wait(
        timeout: .now() + (request == .shutdown && !isOver ? Self.shutdownPeriod : period))
    }
  }

  /// Exchanges one round of messages.
  ///
  /// - Returns: whether it was the last.
  private func poll(at now: Double, isLeaving: Bool) -> Bool {
    let report = Report(
      own: heartbeat.status, neighbour: neighbour.map { (rank: $0.rank, status: $0.status) })
    monitor.receive(report, from: monitor.rank, at: now)
    if let neighbour, neighbour.hasEnded { monitor.noteEnd(of: neighbour.rank, at: now) }
    guard let exchange, !isBroken else { return isLeaving }
    do throws(MPIError) {
      try exchange.receive { rank, report in monitor.receive(report, from: rank, at: now) }
      if isLeaving { return try exchange.advanceShutdown(report) }
      if try exchange.send(report) { monitor.noteDelivery(at: now) }
    } catch {
      // The training thread gets the same error, or none; it is not reported here.
      isBroken = true
      monitor.noteDisconnection()
    }
    return false
  }
}
