import TestSupport
import Testing

@testable import DataParallel

@Suite("Agreement", .timeLimit(.minutes(1)))
struct AgreementTests {
  private struct Trouble: Error, CustomStringConvertible {
    let description = "the disk is full"
  }

  @Test(
    "Work that fails on one rank fails on all, each with the right error", arguments: [1, 2, 5])
  func together(ranks: Int) throws {
    let outcomes = try LoopbackCollective.run(ranks: ranks) { collective -> String in
      let agreement = Agreement(collective)
      do {
        try agreement.together("loading data", exitCode: { _ in 74 }) {
          if collective.rank == ranks - 1 { throw Trouble() }
        }
        return "went on"
      } catch let error as PeerError {
        return "\(error.code) \(error)"
      } catch {
        return "own: \(error)"
      }
    }
    #expect(outcomes.last == "own: the disk is full")
    #expect(
      outcomes.dropLast().allSatisfy {
        $0 == "74 rank \(ranks - 1): loading data: the disk is full"
      })
  }

  @Test("Work that succeeds everywhere returns its value")
  func success() throws {
    let values = try LoopbackCollective.run(ranks: 3) { collective in
      try Agreement(collective).together("counting", exitCode: { _ in 70 }) { collective.rank }
    }
    #expect(values == [0, 1, 2])
  }

  @Test("A request that comes while the work goes on counts for all ranks")
  func wishAfterWork() throws {
    let kinds = try LoopbackCollective.run(ranks: 3) { collective in
      var isRequested = false
      return try Agreement(collective).decide(
        "reading", wish: { isRequested ? .stop : .proceed }, exitCode: { _ in 70 }
      ) { isRequested = collective.rank == 1 }.decision.kind
    }
    #expect(kinds == [.stop, .stop, .stop])
  }

  @Test("Of equal failures the lowest rank speaks")
  func ties() throws {
    let decisions = try LoopbackCollective.run(ranks: 4) { collective in
      try Agreement(collective).decide(
        local: collective.rank == 0 ? .proceed : .fail(code: 79, message: "\(collective.rank)"))
    }
    #expect(
      decisions.allSatisfy {
        $0 == Decision(kind: .fail, rank: 1, code: 79, message: "1")
      })
  }

  @Test("A long message is cut, and the next decision is not disturbed")
  func longMessage() throws {
    let agreement = Agreement(SoloCollective())
    let message = String(repeating: "x", count: 5000)
    let decision = try agreement.decide(local: .fail(code: 255, message: message))
    #expect(decision.code == 255)
    #expect(decision.message == String(repeating: "x", count: 1024))
    #expect(try agreement.decide(local: .proceed).kind == .proceed)
  }
}
