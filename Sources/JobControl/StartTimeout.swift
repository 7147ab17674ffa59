import DataParallel
import Dispatch
import Files
import Foundation
import MPIKit
import StallDetection
import TensorCore

/// Ends the program if the ranks do not connect to each other in time; the watchdog starts only
/// after that.
package final class StartTimeout {
  private let timer: any DispatchSourceTimer

  /// - Parameters:
  ///   - seconds: the number of seconds that the ranks may take to connect.
  ///   - advice: further advice after the cure.
  package init(seconds: Double, advice: String = "") {
    timer = DispatchSource.makeTimerSource(queue: .global())
    timer.setEventHandler { [timer] in Self.expire(timer, after: seconds, advice) }
    timer.schedule(deadline: .now() + seconds)
    timer.activate()
  }

  package func cancel() { timer.cancel() }

  private static func expire(
    _ timer: any DispatchSourceTimer, after seconds: Double, _ advice: String
  ) {
    let rank = Launcher.rank(in: ProcessInfo.processInfo.environment) ?? 0
    // If rank 0 has printed the error, the launcher needs a while to end ranks that have not
    // initialized MPI.
    if rank != 0 { Thread.sleep(forTimeInterval: 2.5) }
    // The other ranks may have connected at the last moment.
    guard !timer.isCancelled else { return }
    ErrorExit.terminate(
      TrainingError(
        kind: .stalled, place: "rank \(rank) on \(ProcessInfo.processInfo.hostName), start",
        reason: "the ranks have not reached one another within \(Int(seconds)) seconds",
        cure: "Where nodes have several networks, choose the one that joins them: "
          + "mpirun --mca btl_tcp_if_include eth0 (or its address range), and check firewalls\(advice)."
      ),
      rank: rank)
  }
}

/// The longest time without progress of a command that has no configuration.
package struct StallTimeout {
  /// The environment variable that sets it.
  package static let variable = "DFERC_STALL_SECONDS"

  /// The number of seconds, 1 or more.
  package let seconds: Double

  /// - Parameter variables: the environment variables of this process.
  /// - Throws: `TrainingError` of kind `usage` for a value that is no number of seconds.
  package init(variables: [String: String] = ProcessInfo.processInfo.environment)
    throws(TrainingError)
  {
    guard let text = variables[Self.variable] else {
      seconds = Double(Self.standard)
      return
    }
    guard let number = Int(text), (1...1_000_000).contains(number) else {
      throw TrainingError(
        kind: .usage, place: Self.variable, reason: "\"\(text.excerpt())\" is no number of seconds",
        cure: "Set it to a whole number from 1 to 1000000, or unset it.")
    }
    seconds = Double(number)
  }

  private static let standard = 300

  /// The limits, the same for training and saving.
  package var limits: StallLimits { StallLimits(training: seconds, saving: seconds) }
}
