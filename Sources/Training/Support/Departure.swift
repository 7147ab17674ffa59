import DataParallel
import Foundation
import MPIKit

/// How a rank leaves after an error: it says why, once for all ranks, and takes the others with it.
public enum Departure {
  /// The seconds that a rank other than 0 leaves rank 0 to speak first.
  ///
  /// An error that all ranks have is thus told once; one that only this rank has is told by it,
  /// with its number.
  private static let courtesy = 2.0

  /// Tells an error on standard error and ends the program with the error's exit code.
  ///
  /// Where MPI runs, it is aborted: the other ranks may be inside a collective, and to finalize
  /// would wait for them for ever.
  public static func leave(_ error: any Error, rank: Int) -> Never {
    let status = ExitStatus(error)
    switch error {
    case is PeerError:
      // The rank that failed speaks and ends this one; only if it died does its peer go on here.
      Thread.sleep(forTimeInterval: 3 * courtesy)
    case is LaunchError where rank != 0:
      leaveSilently(code: status.rawValue)
    default:
      if rank != 0 { Thread.sleep(forTimeInterval: courtesy) }
    }
    let line = ExitStatus.message(for: error, rank: rank) + "\n"
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    MPIEnvironment.abort(code: status.rawValue)
  }

  /// Ends a rank that has nothing to say because rank 0 says it, with the same exit code.
  ///
  /// A launcher ends all ranks as soon as one fails, so a failure waits until rank 0 has spoken.
  public static func leaveSilently(code: Int32) -> Never {
    if code != 0 { Thread.sleep(forTimeInterval: courtesy) }
    exit(code)
  }
}
