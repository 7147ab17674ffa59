import Foundation
import TestSupport
import Testing

@testable import DataParallel
@testable import MPIKit

/// Runs in the job that `MPIRunTests` starts, one test after the other.
@Suite(
  "Collectives over MPI", .serialized,
  .enabled(if: Launcher.isPresent(in: ProcessInfo.processInfo.environment)))
struct CollectiveTestsUnderMPI {
  @Test(
    "Ranks keep every promise",
    arguments: [
      "one node", "nodes of 1", "nodes of 2", "nodes of 3", "idle yield", "small messages",
      "no room",
    ])
  func promises(condition: String) throws {
    let world = try MPIWorld.communicator()
    let limit = condition == "small messages" ? 1000 : Int(Int32.max)
    let ranksPerNode = ["nodes of 1": 1, "nodes of 2": 2, "nodes of 3": 3][condition]
    let collective = try MPICollective(
      over: try world.duplicate(chunkLimit: limit), yieldsWhenIdle: condition == "idle yield",
      ranksPerNode: ranksPerNode, windowDirectory: condition == "no room" ? "/none" : "/dev/shm")
    #expect(try CollectiveChecks.all(collective) == [])
  }

  @Test("The length of a message does not change a bit", arguments: [0, 20_000, 50_000])
  func pieces(scratchCount: Int) throws {
    let world = try MPIWorld.communicator().duplicate()
    let exchange = MessageAllReduce<Float>(over: world, scratchCount: scratchCount, gatherLimit: 0)
    let count = 100_001
    var values = (0..<count).map { Float(CollectiveChecks.value(world.rank, $0)) }
    try values.withUnsafeMutableBufferPointer { try exchange.sum($0) }
    for index in CollectiveChecks.sample(of: count) {
      #expect(values[index] == CollectiveChecks.expected(Float.self, world.size, index))
    }
  }

  @Test("A buffer lies in shared memory where it can, and else there is a warning")
  func paths() throws {
    let world = try MPIWorld.communicator()
    let shared = try MPICollective(over: world)
    #expect((try shared.makeSharedBuffer(count: 10).window != nil) == (world.size > 1))
    #expect(shared.warnings == [])
    let cramped = try MPICollective(over: world, ranksPerNode: nil, windowDirectory: "/none")
    #expect(try cramped.makeSharedBuffer(count: 10).window == nil)
    #expect(cramped.warnings.count == (world.size > 1 ? 1 : 0))
    let uneven = try MPICollective(over: world, ranksPerNode: 3)
    #expect((try uneven.makeSharedBuffer(count: 10).window != nil) == (2...3 ~= world.size))
  }
}
