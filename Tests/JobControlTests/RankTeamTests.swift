import DataParallel
import Files
import RunRecords
import Synchronization
import TestSupport
import Testing

@testable import JobControl

@Suite("Work on rank 0 for all ranks")
struct RankTeamTests {
  private struct Found: Codable, Equatable {
    var name: String
    var numbers: [Double]
    var none: Int?
  }

  /// Cannot be written as JSON: a number that is not finite.
  private static let unwritable = Found(name: "x", numbers: [.nan], none: nil)

  private static func team(_ collective: LoopbackCollective) -> RankTeam {
    let share = ProcessorShare.ofSoloProgram(threads: 1, variables: [:])
    let world = ParallelWorld(collective, share, [], nil, nil)
    return RankTeam(
      world: world, agreement: Agreement(world.collective),
      log: RunLog(rank: collective.rank, terminal: Terminal(isInteractive: false) { _ in }),
      tracker: PhaseTracker(world, faults: []))
  }

  /// Runs a body on three ranks and returns what each of them has come to.
  private func onThreeRanks<Value: Sendable>(
    _ body: @escaping @Sendable (RankTeam) throws -> Value
  ) throws -> [Value] {
    try LoopbackCollective.run(ranks: 3) { try body(Self.team($0)) }
  }

  /// What a rank throws, as text.
  private static func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return ""
  }

  @Test("All ranks get the value, and rank 0 alone does the work")
  func value() throws {
    let calls = Mutex(0)
    let values = try onThreeRanks { team in
      try team.onRoot("looking") {
        calls.withLock { $0 += 1 }
        return Found(name: "é\n", numbers: [0.1, -0.0, 1e300], none: nil)
      }
    }
    let expected = Found(name: "é\n", numbers: [0.1, -0.0, 1e300], none: nil)
    #expect(values == [expected, expected, expected])
    #expect(values[2].numbers[1].sign == .minus)
    #expect(calls.withLock { $0 } == 1)
  }

  @Test("A value may be nil")
  func noValue() throws {
    let values = try onThreeRanks { team in try team.onRoot("looking") { Int?.none } }
    #expect(values == [nil, nil, nil])
  }

  @Test("Work without a value is done once")
  func noResult() throws {
    let ranks = Mutex<[Int]>([])
    _ = try onThreeRanks { team in
      try team.onRoot("writing") { ranks.withLock { $0.append(team.rank) } }
    }
    #expect(ranks.withLock { $0 } == [0])
  }

  @Test("A value that cannot travel stays on rank 0")
  func rootOnly() throws {
    final class Handle {}
    let holders = try onThreeRanks { team in
      try team.onRootOnly("opening") { Handle() } != nil
    }
    #expect(holders == [true, false, false])
  }

  @Test("An error of rank 0 is thrown on all ranks")
  func failure() throws {
    let error = FileError(path: "p", operation: "open", code: 2)
    let messages = try onThreeRanks { team in
      [
        Self.message { _ = try team.onRoot("reading") { () throws -> Int in throw error } },
        Self.message { try team.onRoot("reading") { () throws -> Void in throw error } },
        Self.message { _ = try team.onRootOnly("reading") { () throws -> Int in throw error } },
      ]
    }
    let own = "\(error)"
    let others = "rank 0: reading: \(error)"
    let expected = [own, others, others].map { [$0, $0, $0] }
    #expect(messages == expected)
  }

  @Test("A value that cannot be written as JSON is an error on all ranks")
  func unwritable() throws {
    let messages = try onThreeRanks { team in
      Self.message { _ = try team.onRoot("looking") { Self.unwritable } }
    }
    #expect(messages.allSatisfy { !$0.isEmpty })
    #expect(messages[1].hasPrefix("rank 0: looking: ") && messages[2] == messages[1])
  }

  @Test("A broadcast takes the value of rank 0")
  func broadcast() throws {
    let values = try onThreeRanks { team in
      try team.broadcast([String](repeating: "a", count: 3 - team.rank))
    }
    #expect(values == [["a", "a", "a"], ["a", "a", "a"], ["a", "a", "a"]])
  }
}
