import Checkpointing
import Configuration
import DataParallel
import Files
import RunRecords
import StallDetection
import Synchronization
import TensorCore

/// The way of one rank through the phases of a run.
///
/// Whoever begins a phase says so here: then its watchdog knows, an error is told with its place, and
/// a fault that a test asked for happens.
package final class PhaseTracker: Sendable {
  /// What the watchdog reads.
  package let heartbeat: Heartbeat
  /// Nil in every run but that of a test.
  private let faults: FaultInjector?
  private let rank: Int
  private let rankCount: Int
  private let clock = Mutex(PhaseClock())

  /// - Parameters:
  ///   - world: the ranks.
  ///   - faults: those that tests ask for, of all ranks.
  package init(_ world: ParallelWorld, faults: [Fault]) {
    heartbeat = world.heartbeat
    rank = world.collective.rank
    rankCount = world.collective.size
    self.faults = FaultInjector(faults, rank: rank) { try world.finish() }
  }

  /// The step under way, from 1; 0 before the first.
  package var step: Int { heartbeat.status.step }

  /// Begins a step, counted from 1, with the choice of its dialogues.
  package func begin(step: Int) throws {
    heartbeat.begin(step: step)
    try enter(.plan)
  }

  /// Begins a phase, which ends the one before.
  @inline(__always)
  package func enter(_ phase: RunPhase) throws {
    clock.withLock { $0.enter(phase) }
    heartbeat.enter(phase)
    if let faults { try faults.enter(phase, step: step) }
  }

  /// Marks the end of the arithmetic of a phase, where a test may damage its result.
  ///
  /// - Parameters:
  ///   - phase: the phase, which this rank has entered.
  ///   - result: what the phase has computed.
  @inline(__always)
  package func leave(_ phase: RunPhase, with result: UnsafeMutableBufferPointer<Float>) {
    faults?.damage(result, in: phase, step: step)
  }

  /// The seconds that this rank has spent in a phase since ``resetClock()``, phases under way not
  /// included.
  package func seconds(in phase: RunPhase) -> Double { clock.withLock { $0.seconds(in: phase) } }

  /// Sets the seconds of all phases to zero.
  package func resetClock() { clock.withLock { $0.reset() } }

  /// The hook that is called with the bytes of a step's checkpoint before they are written, on any thread.
  package func writeHook(ofStep step: Int) -> CheckpointStore.WriteHook {
    { [heartbeat, faults] count, offset in
      let piece = try faults?.piece(of: count, at: offset, step: step) ?? count
      heartbeat.addSavedBytes(piece)
      return piece
    }
  }

  /// Runs the whole work of this rank; an error that leaves it says where it came from.
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
  /// The rank, where there are several; the step, where one has begun; the phase.
  package let place: String
  /// What happened.
  package let cause: any Error

  /// An error of a rank alone.
  package init(_ cause: any Error, rank: Int, of rankCount: Int, _ status: RankStatus) {
    let parts = [
      rankCount > 1 ? "rank \(rank)" : nil, status.step > 0 ? "step \(status.step)" : nil,
      status.phase.name,
    ]
    place = parts.compactMap { $0 }.joined(separator: ", ")
    self.cause = cause
  }

  /// Adds the place to an error that another rank need not have.
  ///
  /// What the ranks have agreed on, or all meet alike, names its own place.
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
