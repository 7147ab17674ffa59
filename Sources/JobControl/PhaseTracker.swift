import Checkpointing
import Configuration
import DataParallel
import Files
import RunRecords
import StallDetection
import Synchronization
import TensorCore

/// The current phase of one rank.
///
/// Every phase is entered here: it is recorded for the watchdog, it becomes the place of an error,
/// and faults are injected in it.
package final class PhaseTracker: Sendable {
  /// The state that the watchdog reads.
  package let heartbeat: Heartbeat
  /// Nil without injected faults.
  private let faults: FaultInjector?
  private let rank: Int
  private let rankCount: Int
  private let clock = Mutex(PhaseClock())

  /// - Parameters:
  ///   - world: the ranks.
  ///   - faults: the injected faults of all ranks.
  package init(_ world: ParallelWorld, faults: [Fault]) {
    heartbeat = world.heartbeat
    rank = world.collective.rank
    rankCount = world.collective.size
    self.faults = FaultInjector(faults, rank: rank) { try world.finish() }
  }

  /// The current step, from 1; 0 before the first.
  package var step: Int { heartbeat.status.step }

  /// Enters a step, counted from 1, and its phase `plan`.
  package func begin(step: Int) throws {
    heartbeat.begin(step: step)
    try enter(.plan)
  }

  /// Enters a phase, which ends the one before.
  @inline(__always)
  package func enter(_ phase: RunPhase) throws {
    clock.withLock { $0.enter(phase) }
    heartbeat.enter(phase)
    if let faults { try faults.enter(phase, step: step) }
  }

  /// Marks the end of the arithmetic of a phase, where faults may damage its result.
  ///
  /// - Parameters:
  ///   - phase: the phase, which this rank has entered.
  ///   - result: the values that the phase has computed.
  @inline(__always)
  package func leave(_ phase: RunPhase, with result: UnsafeMutableBufferPointer<Float>) {
    faults?.damage(result, in: phase, step: step)
  }

  /// The seconds that this rank has spent in a phase since ``resetClock()``, phases under way not
  /// included.
  package func seconds(in phase: RunPhase) -> Double { clock.withLock { $0.seconds(in: phase) } }

  /// Sets the seconds of all phases to zero.
  package func resetClock() { clock.withLock { $0.reset() } }

  /// The hook that is called before bytes of a step's checkpoint are written, on any thread.
  package func writeHook(ofStep step: Int) -> CheckpointStore.WriteHook {
    { [heartbeat, faults] count, offset in
      let piece = try faults?.piece(of: count, at: offset, step: step) ?? count
      heartbeat.addSavedBytes(piece)
      return piece
    }
  }

  /// Runs a closure and adds the place to the error that it throws.
  package func locatingErrors<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch {
      let status = heartbeat.status
      heartbeat.markLeaving()
      throw LocatedError.locate(error, rank: rank, of: rankCount, status)
    }
  }
}

/// An error of one rank, with the place in the run where it happened.
package struct LocatedError: Error, CustomStringConvertible {
  /// The rank, if there are several; the step, if one has begun; the phase.
  package let place: String
  /// The error.
  package let cause: any Error

  /// Adds the place to an error of one rank.
  package init(_ cause: any Error, rank: Int, of rankCount: Int, _ status: RankStatus) {
    let parts = [
      rankCount > 1 ? "rank \(rank)" : nil, status.step > 0 ? "step \(status.step)" : nil,
      status.phase.name,
    ]
    place = parts.compactMap { $0 }.joined(separator: ", ")
    self.cause = cause
  }

  /// Adds the place to an error unless all ranks throw it.
  ///
  /// Errors that the ranks have agreed on, or that all of them throw, name their place themselves.
  package static func locate(
    _ error: any Error, rank: Int, of rankCount: Int, _ status: RankStatus
  ) -> any Error {
    switch error {
    case is LocatedError, is PeerError, is TrainingError, is RunFolderError, is ConfigurationError:
      return error
    default: break
    }
    guard rankCount > 1 || status.step > 0 else { return error }
    return LocatedError(error, rank: rank, of: rankCount, status)
  }

  package var description: String { "\(place): \(cause)" }
}

extension LocatedError: ExitStatusError {
  package var exitStatus: ExitStatus { ExitStatus(cause) }
}
