import DataParallel
import Files
import Foundation
import MPIKit
import Synchronization

/// An object that is notified before an error ends the program.
package protocol ExitHandler: AnyObject, Sendable {
  /// Called before the program ends, on any thread.
  ///
  /// - Parameter message: the message on standard error, without the program name and rank.
  func programEnds(with message: String)
}

/// Ends the program after an error, on all ranks, with one message.
package enum ErrorExit {
  /// The number of seconds by which ranks other than 0 delay a message, so that rank 0 prints it
  /// first.
  ///
  /// An error of all ranks is thus printed once, and an error of this rank alone with its number.
  private static let rootDelay = 2.0

  /// The further delay in seconds for each rank, up to a number of ranks, so that of several ranks
  /// with different errors one prints its message.
  private static let stagger = (seconds: 0.75, ranks: 6)

  /// The number of seconds that exit handlers may take; the storage that they write to may have
  /// failed.
  private static let timeout = 2.0

  /// The number of seconds that they may take where another rank would soon report the same error.
  private static let shortTimeout = 1.25

  /// The exit handlers in the order of their registration.
  private static let handlers = Mutex<[any ExitHandler]>([])

  /// Registers an exit handler, until it is removed.
  package static func register(_ handler: any ExitHandler) {
    handlers.withLock { $0.append(handler) }
  }

  /// Removes an exit handler; one that is not registered is ignored.
  package static func unregister(_ handler: any ExitHandler) {
    handlers.withLock { $0.removeAll { $0 === handler } }
  }

  /// Prints an error to standard error and ends the program with the error's exit code.
  ///
  /// MPI is aborted where it is initialized: the other ranks may be in a collective call, and
  /// finalizing would block for ever.
  package static func terminate(_ error: any Error, rank: Int) -> Never {
    switch error {
    case is PeerError:
      // The rank that failed prints the error and ends this one; the code after this runs only if
      // it died.
      Thread.sleep(forTimeInterval: 2 * rootDelay + Double(stagger.ranks) * stagger.seconds)
    case is LaunchError where rank != 0:
      terminateSilently(code: ExitStatus(error).rawValue)
    default:
      if rank != 0 {
        let turn = Double((rank - 1) % stagger.ranks)
        Thread.sleep(forTimeInterval: rootDelay + turn * stagger.seconds)
      }
    }
    report(error, rank: rank, timeout: timeout)
  }

  /// Prints an error that only this rank has detected, and ends the program with its exit code.
  ///
  /// May be called on any thread.
  package static func terminateAtOnce(_ error: TrainingError) -> Never {
    // The place of such an error names its rank, which need not be this one.
    report(error, rank: 0, timeout: shortTimeout)
  }

  private static func report(_ error: any Error, rank: Int, timeout: Double) -> Never {
    let line = ErrorMessage.line(for: error, rank: rank) + "\n"
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    callHandlers(ErrorMessage.text(of: error), timeout: timeout)
    MPIEnvironment.abort(code: ExitStatus(error).rawValue)
  }

  /// Calls all exit handlers, the last registered first, and waits for them for at most `timeout`
  /// seconds.
  package static func callHandlers(_ message: String, timeout: Double = timeout) {
    let isDone = DispatchSemaphore(value: 0)
    DispatchQueue.global().async {
      // Later handlers rely on earlier ones: the lock of the folder is released last.
      for handler in handlers.withLock({ $0 }).reversed() { handler.programEnds(with: message) }
      isDone.signal()
    }
    _ = isDone.wait(timeout: .now() + timeout)
  }

  /// Ends a rank without a message, because rank 0 prints it, with the same exit code.
  ///
  /// A launcher ends all ranks as soon as one fails, so a failure waits until rank 0 has printed
  /// it.
  package static func terminateSilently(code: Int32) -> Never {
    if code != 0 { Thread.sleep(forTimeInterval: rootDelay) }
    exit(code)
  }
}
