import Foundation
import JobControl
import Synchronization
import TestSupport
import Testing

@testable import DataParallel
@testable import MPIKit
@testable import StallDetection

/// Runs in the job that `MPIRunTests` starts, one test after the other.
@Suite(
  "Watching over MPI", .serialized,
  .enabled(if: Launcher.isPresent(in: ProcessInfo.processInfo.environment)))
struct WatchTestsUnderMPI {
  private static func world() throws -> Communicator {
    try MPIWorld.communicator()
  }

  private static func status(_ rank: Int, _ progress: UInt64) -> RankStatus {
    var status = RankStatus()
    (status.step, status.progress) = (rank + 1, progress)
    return status
  }

  /// Ends all messages.
  ///
  /// - Returns: the progress that each rank said last meanwhile.
  private static func end(_ exchange: StatusExchange, _ last: Report) throws -> [Int: UInt64] {
    var heard: [Int: UInt64] = [:]
    while try !exchange.advanceShutdown(last) {
      try exchange.receive { heard[$0] = $1.own.progress }
    }
    return heard
  }

  @Test("Both observers hear what every rank does, and the last word of each")
  func exchange() throws {
    let world = try Self.world()
    let observers = RankMonitor.observers(nodeOfRank: [Int](repeating: 0, count: world.size))
    let exchange = try StatusExchange(over: world.duplicate(), observers: observers)
    let isObserver = observers.contains(world.rank)
    let others = (0..<world.size).filter { $0 != world.rank }
    func report(_ progress: UInt64) -> Report {
      let seen = (rank: (world.rank + 1) % world.size, status: Self.status(99, progress))
      return Report(own: Self.status(world.rank, progress), neighbour: seen)
    }
    var heard: [Int: UInt64] = [:]
    for turn in 0..<20 {
      _ = try exchange.send(report(UInt64(turn)))
      try exchange.receive { rank, report in
        heard[rank] = report.own.progress
        #expect(report.own.step == rank + 1)
        #expect(report.neighbour?.rank == (rank + 1) % world.size)
        #expect(report.neighbour?.status.step == 100)
      }
      usleep(1000)
    }
    heard.merge(try Self.end(exchange, report(1000))) { $1 }
    let expected = isObserver ? others : []
    #expect(heard == Dictionary(uniqueKeysWithValues: expected.map { ($0, 1000) }))
  }

  @Test("An observer that takes nothing is sent one message and no more")
  func bounded() throws {
    let world = try Self.world()
    let exchange = try StatusExchange(over: world.duplicate(), observers: [0])
    // Nothing is taken before the observer looks, but what lies ready for it may be.
    var takenCount = 0
    if world.rank != 0 {
      for turn in 0..<200 {
        let report = Report(own: Self.status(world.rank, UInt64(turn)), neighbour: nil)
        if try exchange.send(report) { takenCount += 1 }
        usleep(1000)
      }
    }
    #expect(takenCount <= 1)
    try world.barrier()
    let last = try Self.end(
      exchange, Report(own: Self.status(world.rank, 1000), neighbour: nil))
    #expect(last.count == (world.rank == 0 ? world.size - 1 : 0))
  }

  @Test("A rank sees what its neighbour on the node does, and that it lives")
  func neighbour() throws {
    let world = try Self.world()
    let heartbeat = Heartbeat()
    heartbeat.begin(step: world.rank + 1)
    let layout = try NodeLayout(of: world)
    let found = try NextRankOnNode.find(in: layout, rank: world.rank, moving: heartbeat)
    heartbeat.enter(.backward)
    try world.barrier()
    #expect((found == nil) == (world.size == 1))
    if let found {
      #expect(found.rank == (world.rank + 1) % world.size)
      #expect(found.status.step == found.rank + 1)
      #expect(found.status.phase == .backward)
      #expect(!found.hasEnded)
    }
    try world.barrier()
  }

  @Test("A healthy job is watched to its end without a word")
  func healthy() throws {
    let world = try ParallelWorld.start(threads: 1)
    let alarms = Mutex([Stall]())
    try world.watch(limits: StallLimits(training: 60, saving: 60)) { stall in
      alarms.withLock { $0.append(stall) }
    }
    for step in 1...50 {
      world.heartbeat.begin(step: step)
      var one = [Float(1)]
      try one.withUnsafeMutableBufferPointer { try world.collective.allReduceSum($0) }
      #expect(one == [Float(world.collective.size)])
    }
    // All that `finish` does but for the end of MPI, which other tests still need.
    world.heartbeat.enter(.finish)
    world.endMessages()
    #expect(alarms.withLock { $0 } == [])
  }
}
