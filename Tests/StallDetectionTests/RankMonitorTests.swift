import Testing

@testable import DataParallel
@testable import StallDetection

@Suite("Patrols")
struct PatrolTests {
  private static let limits = StallLimits(training: 10, saving: 20)

  private static func monitor(_ rank: Int, of size: Int = 4) -> RankMonitor {
    RankMonitor(rank: rank, size: size, observers: [0, 2], limits: limits, now: 0)
  }

  private static func report(_ phase: RunPhase, in call: CollectiveCall? = nil) -> Report {
    var status = RankStatus()
    (status.phase, status.call) = (phase, call)
    return Report(own: status, neighbour: nil)
  }

  @Test(
    "The second observer is the first rank of another node, else rank 1",
    arguments: [
      ([0], [0]), ([0, 0], [0, 1]), ([0, 0, 0, 0], [0, 1]), ([0, 1, 2], [0, 1]),
      ([0, 0, 1, 1], [0, 2]), ([0, 0, 0, 1], [0, 3]), ([0, 1, 0, 1], [0, 1]),
    ])
  func observers(nodes: [Int], expected: [Int]) {
    #expect(RankMonitor.observers(nodeOfRank: nodes) == expected)
  }

  @Test("Rank 0 looks after all, the second observer after it, the others after themselves")
  func duties() {
    #expect((0..<4).map { Self.monitor($0).duty } == [.all, .itself, .allAfterFirst, .itself])
  }

  @Test("The second observer leaves rank 0 its time and then names the same rank")
  func second() {
    var (first, second) = (Self.monitor(0), Self.monitor(2))
    for time in [4.0, 8, 12] {
      for rank in [0, 2, 3] {
        first.receive(Self.report(.allreduce, in: .sumOfGradients), from: rank, at: time)
        second.receive(Self.report(.allreduce, in: .sumOfGradients), from: rank, at: time)
      }
    }
    #expect(first.stall(at: 9.9) == nil && second.stall(at: 12.4) == nil)
    #expect(first.stall(at: 10)?.rank == 1)
    #expect(second.stall(at: 12.5)?.rank == 1)
  }

  @Test("A rank that waits does not speak as long as an observer takes its messages")
  func taken() {
    var monitor = Self.monitor(3)
    for time in stride(from: 1.0, through: 100, by: 1) {
      monitor.receive(Self.report(.allreduce, in: .maximum), from: 3, at: time)
      monitor.noteDelivery(at: time)
      #expect(monitor.stall(at: time) == nil)
    }
    #expect(monitor.stall(at: 112.4) == nil)
    #expect(monitor.stall(at: 112.5)?.cause == .unwatched([0, 2]))
    #expect(monitor.stall(at: 112.5)?.rank == 3)
  }

  @Test("A rank that hangs by itself speaks when nobody has")
  func itself() {
    var monitor = Self.monitor(3)
    for time in stride(from: 1.0, through: 14, by: 1) {
      monitor.receive(Self.report(.backward), from: 3, at: time)
      monitor.noteDelivery(at: time)
    }
    #expect(monitor.stall(at: 13.9) == nil)
    #expect(monitor.stall(at: 14)?.cause == .absent)
  }

  @Test("Without messages a wait is not taken for a stall, but a hang is")
  func noteDisconnection() {
    var (waiting, hanging) = (Self.monitor(0), Self.monitor(0))
    waiting.noteDisconnection()
    hanging.noteDisconnection()
    waiting.receive(Self.report(.allreduce, in: .maximum), from: 0, at: 1000)
    hanging.receive(Self.report(.backward), from: 0, at: 1)
    #expect(waiting.stall(at: 1000) == nil)
    #expect(hanging.stall(at: 15)?.cause == .absent)
  }

  @Test("After a pause of the whole job everybody has the full time again")
  func restart() {
    for rank in 0..<4 {
      var monitor = Self.monitor(rank)
      monitor.restart(at: 500)
      #expect(monitor.stall(at: 509.9) == nil)
      #expect(monitor.stall(at: 514) != nil)
    }
  }

  @Test("A process that is gone is told by its neighbour, but not at once")
  func ended() {
    var monitor = Self.monitor(1)
    var status = RankStatus()
    (status.step, status.phase, status.progress) = (9, .update, 4)
    monitor.receive(Report(own: RankStatus(), neighbour: (2, status)), from: 1, at: 1)
    monitor.noteEnd(of: 2, at: 3)
    monitor.noteEnd(of: 2, at: 3.4)
    #expect(monitor.stall(at: 3.4) == nil)
    #expect(
      monitor.stall(at: 3.5) == Stall(rank: 2, status: status, seconds: 2.5, cause: .ended))
  }

  @Test("When all have said their last word, only an end that hangs is left to find")
  func shutdown() {
    var monitor = Self.monitor(0)
    monitor.receive(Self.report(.finish), from: 0, at: 1)
    monitor.noteShutdown()
    #expect(monitor.stall(at: 22.4) == nil)
    #expect(monitor.stall(at: 22.5)?.cause == .together)
  }
}
