import DataParallel
import Foundation
import MPIKit
import Synchronization

/// Something that has a last thing to do when an error ends the program.
protocol DepartureWitness: AnyObject, Sendable {
  /// Does it, on any thread.
  ///
  /// - Parameter message: What standard error is told, without the speaker.
  func programEnds(with message: String)
}

/// How a rank leaves after an error: it says why, once for all ranks, and takes the others with it.
public enum Departure {
  /// The seconds that a rank other than 0 leaves rank 0 to speak first.
  ///
  /// An error that all ranks have is thus told once; one that only this rank has is told by it,
  /// with its number.
  private static let courtesy = 2.0

  /// What each further rank leaves those before it, so that of several with errors of their own one
  /// speaks; so many ranks differ.
  private static let stagger = (seconds: 0.75, ranks: 6)

  /// The seconds that witnesses are given; the storage they write to may be what has failed.
  private static let patience = 2.0

  /// The seconds that they are given where another rank would soon speak instead.
  private static let shortPatience = 1.25

  /// Who is to be called before the program ends, wherever and on whatever thread it does.
  private static let witnesses = Mutex<[any DepartureWitness]>([])

  /// Has a witness called when an error ends the program.
  static func summon(_ witness: any DepartureWitness) {
    witnesses.withLock { $0.append(witness) }
  }

  /// Forgets a witness.
  static func dismiss(_ witness: any DepartureWitness) {
    witnesses.withLock { $0.removeAll { $0 === witness } }
  }

  /// Tells an error on standard error and ends the program with the error's exit code.
  ///
  /// Where MPI runs, it is aborted: the other ranks may be inside a collective, and to finalize
  /// would wait for them for ever.
  public static func leave(_ error: any Error, rank: Int) -> Never {
    switch error {
    case is PeerError:
      // The rank that failed speaks and ends this one; only if it died does its peer go on here.
      Thread.sleep(forTimeInterval: 2 * courtesy + Double(stagger.ranks) * stagger.seconds)
    case is LaunchError where rank != 0:
      leaveSilently(code: ExitStatus(error).rawValue)
    default:
      if rank != 0 {
        let turn = Double((rank - 1) % stagger.ranks)
        Thread.sleep(forTimeInterval: courtesy + turn * stagger.seconds)
      }
    }
    tell(error, rank: rank, patience: patience)
  }

  /// Tells an error that only this rank knows of, and ends the program with its exit code.
  ///
  /// May be called on any thread, whatever the others do.
  static func leaveAtOnce(_ error: TrainingError) -> Never {
    // The place of such an error names the rank that it is about, which need not be this one.
    tell(error, rank: 0, patience: shortPatience)
  }

  private static func tell(_ error: any Error, rank: Int, patience: Double) -> Never {
    let line = ExitStatus.message(for: error, rank: rank) + "\n"
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    callWitnesses(ExitStatus.text(of: error), patience: patience)
    MPIEnvironment.abort(code: ExitStatus(error).rawValue)
  }

  /// Calls all witnesses, but waits no longer for them than they are worth.
  static func callWitnesses(_ message: String, patience: Double = patience) {
    let isDone = DispatchSemaphore(value: 0)
    DispatchQueue.global().async {
      // Who came last relies on those before: a folder is given free when all else is done.
      for witness in witnesses.withLock({ $0 }).reversed() { witness.programEnds(with: message) }
      isDone.signal()
    }
    _ = isDone.wait(timeout: .now() + patience)
  }

  /// Ends a rank that has nothing to say because rank 0 says it, with the same exit code.
  ///
  /// A launcher ends all ranks as soon as one fails, so a failure waits until rank 0 has spoken.
  public static func leaveSilently(code: Int32) -> Never {
    if code != 0 { Thread.sleep(forTimeInterval: courtesy) }
    exit(code)
  }
}
