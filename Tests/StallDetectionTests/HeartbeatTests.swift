import Foundation
import TestSupport
import Testing

@testable import DataParallel
@testable import StallDetection

@Suite("Heartbeats")
struct HeartbeatTests {
  @Test("A heartbeat tells step, phase, call and save, and moves with each")
  func status() {
    let heartbeat = Heartbeat()
    #expect(heartbeat.status == RankStatus())
    heartbeat.begin(step: 1 << 40)
    heartbeat.enter(.backward)
    heartbeat.enter(.sumOfGradients)
    var expected = RankStatus()
    (expected.step, expected.phase, expected.progress) = (1 << 40, .backward, 3)
    (expected.sequence, expected.call) = (1, .sumOfGradients)
    #expect(heartbeat.status == expected)
    heartbeat.leaveCall()
    heartbeat.enter(.maximum)
    (expected.sequence, expected.call, expected.progress) = (2, .maximum, 5)
    #expect(heartbeat.status == expected)
    heartbeat.whileSaving {
      heartbeat.addSavedBytes(100)
      (expected.isSaving, expected.savedBytes) = (true, 101)
      #expect(heartbeat.status == expected)
    }
    heartbeat.markLeaving()
    (expected.isSaving, expected.isLeaving) = (false, true)
    #expect(heartbeat.status == expected)
  }

  @Test("What was done is not lost when a heartbeat moves to other memory and back")
  func move() {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: HeartbeatCells.byteCount, alignment: 64)
    defer { memory.deallocate() }
    let heartbeat = Heartbeat()
    heartbeat.begin(step: 3)
    heartbeat.enter(.barrier)
    heartbeat.leaveCall()
    let before = heartbeat.status
    heartbeat.move(to: HeartbeatCells(clearing: memory))
    #expect(heartbeat.status == before)
    heartbeat.enter(.evaluate)
    #expect(HeartbeatCells(memory).status == heartbeat.status)
    let after = heartbeat.status
    heartbeat.moveBack()
    #expect(heartbeat.status == after)
    heartbeat.beat()
    #expect(HeartbeatCells(memory).status == after)
  }

  @Test("A status comes out of its message as it went in", arguments: RunPhase.allCases)
  func words(phase: RunPhase) {
    for call in [nil] + CollectiveCall.allCases.map(Optional.some) {
      var status = RankStatus()
      (status.step, status.phase, status.progress) = (123_456_789, phase, .max)
      (status.sequence, status.call) = (1 << 50, call)
      (status.isSaving, status.isLeaving) = (phase == .save, phase == .log)
      status.savedBytes = 1 << 60
      #expect(RankStatus(words: status.words) == status)
      var words = Report(own: RankStatus(), neighbour: (11, status)).words
      words.withUnsafeMutableBufferPointer { buffer in
        let report = Report(words: buffer)
        #expect(report.own == RankStatus())
        #expect(report.neighbour?.rank == 11 && report.neighbour?.status == status)
      }
    }
  }

  @Test("A report without a neighbour stays one")
  func alone() {
    var words = Report(own: RankStatus(), neighbour: nil).words
    words.withUnsafeMutableBufferPointer { #expect(Report(words: $0).neighbour == nil) }
  }

  @Test("A watched collective keeps every promise and counts its calls", .timeLimit(.minutes(2)))
  func watchedCollective() throws {
    let outcomes = try LoopbackCollective.run(ranks: 3) { collective in
      let heartbeat = Heartbeat()
      let watched = WatchedCollective(collective, heartbeat: heartbeat)
      return (try CollectiveChecks.all(watched), heartbeat.status)
    }
    #expect(outcomes.flatMap(\.0) == [])
    let calls = outcomes.map(\.1.sequence)
    #expect(calls[0] > 20 && calls.allSatisfy { $0 == calls[0] })
    #expect(outcomes.allSatisfy { $0.1.call == nil })
  }

  @Test("While a rank waits in a call, its heartbeat says in which", .timeLimit(.minutes(1)))
  func insideCall() throws {
    let calls = try LoopbackCollective.run(ranks: 2) { collective -> CollectiveCall? in
      let heartbeat = Heartbeat()
      let watched = WatchedCollective(Peeking(collective, at: heartbeat), heartbeat: heartbeat)
      return CollectiveCall(rawValue: UInt8(try watched.gather([], to: 0)[0][0]))
    }
    #expect(calls == [.gather, .gather])
  }
}

/// A collective whose `gather` returns the call that a heartbeat says the rank is in.
private final class Peeking: Collective {
  let rank: Int
  let size: Int
  private let base: any Collective
  private let heartbeat: Heartbeat

  init(_ base: any Collective, at heartbeat: Heartbeat) {
    (self.base, self.heartbeat, rank, size) = (base, heartbeat, base.rank, base.size)
  }

  func gather(_ bytes: [UInt8], to root: Int) throws -> [[UInt8]] {
    [[heartbeat.status.call?.rawValue ?? 0]]
  }

  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
    try base.allReduceSum(buffer)
  }
  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Double>) throws {
    try base.allReduceSum(buffer)
  }
  func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try base.allReduceSum(buffer)
  }
  func allReduceMax(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try base.allReduceMax(buffer)
  }
  func barrier() throws { try base.barrier() }
  func allReduceSum(_ buffer: SharedBuffer) throws { try base.allReduceSum(buffer) }
  func reduceScatter(_ buffer: SharedBuffer) throws { try base.reduceScatter(buffer) }
  func allGather(_ buffer: SharedBuffer) throws { try base.allGather(buffer) }
  func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try base.broadcast(buffer, from: root)
  }
  func makeSharedBuffer(count: Int) throws -> SharedBuffer {
    try base.makeSharedBuffer(count: count)
  }
}
