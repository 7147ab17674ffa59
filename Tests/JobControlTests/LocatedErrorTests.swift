import Files
import Testing

@testable import DataParallel
@testable import JobControl
@testable import StallDetection

@Suite("Where an error happened")
struct LocatedErrorTests {
  private struct Trouble: Error, CustomStringConvertible {
    let description = "trouble"
  }

  private static func status(_ step: Int, _ phase: RunPhase) -> RankStatus {
    var status = RankStatus()
    (status.step, status.phase) = (step, phase)
    return status
  }

  private func message(
    _ error: any Error, rank: Int, of ranks: Int, step: Int, _ phase: RunPhase
  ) -> String {
    let located = LocatedError.locate(error, rank: rank, of: ranks, Self.status(step, phase))
    return ErrorMessage.line(for: located, rank: rank)
  }

  @Test("An error of one rank is told with rank, step and phase, and keeps its exit code")
  func located() {
    let error = FileError(path: "p", operation: "write", code: 28)
    let located = LocatedError.locate(error, rank: 2, of: 4, Self.status(17, .save))
    #expect(
      ErrorMessage.line(for: located, rank: 2)
        == "dferc-dist: rank 2, step 17, save: \(error)")
    #expect(ExitStatus(located) == .storage)
  }

  @Test("A bug is called one behind its place")
  func bug() {
    #expect(
      message(Trouble(), rank: 1, of: 2, step: 3, .backward).hasPrefix(
        "dferc-dist: rank 1, step 3, backward: this is a bug in dferc-dist: trouble. "))
  }

  @Test("Before the first step there is no step, and of one rank no rank")
  func less() {
    let error = FileError(path: "p", operation: "open", code: 2)
    #expect(message(error, rank: 1, of: 2, step: 0, .load) == "dferc-dist: rank 1, load: \(error)")
    #expect(message(error, rank: 0, of: 1, step: 4, .log) == "dferc-dist: step 4, log: \(error)")
    #expect(message(error, rank: 0, of: 1, step: 0, .load) == "dferc-dist: \(error)")
  }

  @Test("What the ranks have agreed on, or all meet alike, names its own place")
  func agreed() {
    let error = TrainingError(kind: .notFinite, place: "step 3", reason: "r", cure: "C.")
    #expect(message(error, rank: 0, of: 2, step: 3, .update) == "dferc-dist: step 3: r. C.")
    let peer = PeerError(rank: 1, code: 74, message: "m")
    #expect(LocatedError.locate(peer, rank: 0, of: 2, Self.status(1, .log)) is PeerError)
  }

  @Test("Every cause of a stall is told in one line with rank, step, phase and cure")
  func stalls() {
    let causes: [(Stall.Cause, String)] = [
      (.silent(seconds: 301.5), "and no heartbeat from it for 301 s. Its process is stopped"),
      (.absent, "no progress for 300 s while 3 others wait in the sum of gradients. Look at"),
      (
        .mismatched(.barrier),
        "while 3 others wait in the sum of gradients, and it waits in a barrier"
      ),
      (.mismatched(nil), "wait in the sum of gradients, and it has finished. Look at node n7"),
      (.together, "no progress for 300 s, as all ranks wait. Look at the network"),
      (
        .ended,
        "its process has ended without reporting an error. Look into the kernel's log of node n7"
      ),
      (.storage, "not a byte of a checkpoint was written for 300 s. Look at the storage of node"),
      (.unwatched([0, 4]), "no message reaches rank 0 or rank 4, the monitors of the job"),
    ]
    for (cause, words) in causes {
      let stall = Stall(
        rank: 2, status: Self.status(17, .backward), seconds: 300.9, cause: cause,
        others: .init(call: .sumOfGradients, count: 3))
      let message = ErrorMessage.line(for: TrainingError(stall, host: "n7"))
      #expect(message.hasPrefix("dferc-dist: rank 2, step 17, backward: "), "\(message)")
      #expect(message.contains(words), "\(message)")
      #expect(message.contains("--resume auto"), "\(message)")
    }
    let early = Stall(
      rank: 0, status: Self.status(0, .load), seconds: 9, cause: .absent,
      others: .init(call: .maximum, count: 1))
    #expect(
      "\(TrainingError(early, host: "n"))".hasPrefix(
        "rank 0, load: no progress for 9 s while 1 other waits in an agreement. "))
  }
}
