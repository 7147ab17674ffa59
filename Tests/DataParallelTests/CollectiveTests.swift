import Foundation
import TestSupport
import Testing

@testable import DataParallel

@Suite("Collectives without MPI")
struct CollectiveTests {
  @Test("One rank keeps every promise")
  func solo() throws {
    #expect(try CollectiveChecks.all(SoloCollective()) == [])
  }

  @Test("Threads keep every promise", .timeLimit(.minutes(2)), arguments: [1, 2, 3, 4, 5, 7, 8])
  func loopback(ranks: Int) throws {
    let failures = try LoopbackCollective.run(ranks: ranks) { try CollectiveChecks.all($0) }
    #expect(failures.count == ranks)
    #expect(failures.flatMap { $0 } == [])
  }

  @Test("Results come in rank order")
  func order() throws {
    #expect(try LoopbackCollective.run(ranks: 5) { $0.rank * 10 } == [0, 10, 20, 30, 40])
  }

  @Test("A rank that throws ends the wait of all others", .timeLimit(.minutes(1)))
  func poison() throws {
    struct Trouble: Error, Equatable {}
    let seen = Seen()
    #expect(throws: Trouble()) {
      try LoopbackCollective.run(ranks: 4) { collective in
        try collective.barrier()
        if collective.rank == 2 { throw Trouble() }
        do { try collective.barrier() } catch let error as PeerError { seen.add(error) }
      }
    }
    #expect(seen.errors.count == 3)
    #expect(seen.errors.allSatisfy { $0.rank == 2 && $0.message.contains("Trouble") })
  }

  @Test("A rank that returns early ends the wait of all others", .timeLimit(.minutes(1)))
  func earlyReturn() throws {
    #expect(throws: PeerError.self) {
      try LoopbackCollective.run(ranks: 3) { collective in
        if collective.rank != 1 { try collective.barrier() }
      }
    }
  }

  @Test("Ranks that call different methods are told so", .timeLimit(.minutes(1)))
  func mismatch() throws {
    let error = #expect(throws: PeerError.self) {
      try LoopbackCollective.run(ranks: 2) { collective in
        var values = [Float](repeating: 0, count: collective.rank + 1)
        try values.withUnsafeMutableBufferPointer { try collective.allReduceSum($0) }
      }
    }
    #expect(error?.message.contains("sum of Float, 4 bytes") == true)
    #expect(error?.message.contains("sum of Float, 8 bytes") == true)
  }
}

/// The errors that ranks have seen.
private final class Seen: @unchecked Sendable {
  private let lock = NSLock()
  private var all: [PeerError] = []

  func add(_ error: PeerError) { lock.withLock { all.append(error) } }

  var errors: [PeerError] { lock.withLock { all } }
}
