import DataParallel
import Files
import Foundation
import MPIKit
import Synchronization

/// Something that has a last thing to do when an error ends the program.
package protocol ExitHandler: AnyObject, Sendable {
  /// Does it, on any thread.
  ///
  /// - Parameter message: the text that standard error gets, without the speaker.
  func programEnds(with message: String)
}

/// How a rank ends the program after an error: it says why, once for all ranks, and ends the others.
package enum ErrorExit {
  /// The seconds that a rank other than 0 leaves rank 0 to speak first.
  ///
  /// An error that all ranks have is thus told once; one that only this rank has is told by it,
  /// with its number.
  private static let rootDelay = 2.0

  /// What each further rank leaves those before it, so that of several with errors of their own one
  /// speaks; so many ranks differ.
  private static let stagger = (seconds: 0.75, ranks: 6)

  /// The seconds that exit handlers are given; the storage they write to may be what has failed.
  private static let patience = 2.0

  /// The seconds that they are given where another rank would soon speak instead.
  private static let shortPatience = 1.25

  /// The exit handlers, in the order of their registration.
  private static let handlers = Mutex<[any ExitHandler]>([])

  /// Registers an exit handler, until it is removed.
  package static func register(_ handler: any ExitHandler) {
    handlers.withLock { $0.append(handler) }
  }

  /// Removes an exit handler; one that is not registered is ignored.
  package static func unregister(_ handler: any ExitHandler) {
    handlers.withLock { $0.removeAll { $0 === handler } }
  }

  /// Tells an error on standard error and ends the program with the error's exit code.
  ///
  /// Where MPI runs, it is aborted: the other ranks may be inside a collective, and to finalize
  /// would wait for them for ever.
  package static func terminate(_ error: any Error, rank: Int) -> Never {
    switch error {
    case is PeerError:
      // The rank that failed speaks and ends this one; only if it died does its peer go on here.
      Thread.sleep(forTimeInterval: 2 * rootDelay + Double(stagger.ranks) * stagger.seconds)
    case is LaunchError where rank != 0:
      terminateSilently(code: ExitStatus(error).rawValue)
    default:
      if rank != 0 {
        let turn = Double((rank - 1) % stagger.ranks)
        Thread.sleep(forTimeInterval: rootDelay + turn * stagger.seconds)
      }
    }
    tell(error, rank: rank, patience: patience)
  }

  /// Tells an error that only this rank knows of, and ends the program with its exit code.
  ///
  /// May be called on any thread, whatever the others do.
  package static func terminateAtOnce(_ error: TrainingError) -> Never {
    // The place of such an error names the rank that it is about, which need not be this one.
    tell(error, rank: 0, patience: shortPatience)
  }

  private static func tell(_ error: any Error, rank: Int, patience: Double) -> Never {
    let line = ErrorMessage.line(for: error, rank: rank) + "\n"
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    callHandlers(ErrorMessage.text(of: error), patience: patience)
    MPIEnvironment.abort(code: ExitStatus(error).rawValue)
  }

  /// Calls all exit handlers, the last registered first, and waits for them no longer than `patience`.
  package static func callHandlers(_ message: String, patience: Double = patience) {
    let isDone = DispatchSemaphore(value: 0)
    DispatchQueue.global().async {
      // Later handlers rely on earlier ones: the folder's lock is released when all else is done.
      for handler in handlers.withLock({ $0 }).reversed() { handler.programEnds(with: message) }
      isDone.signal()
    }
    _ = isDone.wait(timeout: .now() + patience)
  }

  /// Ends a rank that has nothing to say because rank 0 says it, with the same exit code.
  ///
  /// A launcher ends all ranks as soon as one fails, so a failure waits until rank 0 has spoken.
  package static func terminateSilently(code: Int32) -> Never {
    if code != 0 { Thread.sleep(forTimeInterval: rootDelay) }
    exit(code)
  }
}
