import Foundation
import Testing

@testable import DataParallel
@testable import MPIKit

/// Runs in the job that `MPIRunTests` starts, one test after the other.
@Suite(
  "Collectives over MPI", .serialized,
  .enabled(if: Launcher.isPresent(in: ProcessInfo.processInfo.environment)))
struct CollectiveTestsUnderMPI {
  /// MPI is ended when the program exits, or `mpirun` would report a failure.
  static let environment = Result {
    let environment = try MPIEnvironment.initialize()
    atexit { if !MPIEnvironment.isFinalized { try? MPIEnvironment.initialize().finalize() } }
    return environment
  }

  @Test(
    "Ranks keep every promise",
    arguments: [
      "one node", "nodes of 1", "nodes of 2", "nodes of 3", "napping", "small messages", "no room",
    ])
  func promises(condition: String) throws {
    let world = try Self.environment.get().world
    let limit = condition == "small messages" ? 1000 : Int(Int32.max)
    let ranksPerNode = ["nodes of 1": 1, "nodes of 2": 2, "nodes of 3": 3][condition]
    let collective = try MPICollective(
      over: try world.duplicate(chunkLimit: limit), isNapping: condition == "napping",
      ranksPerNode: ranksPerNode, windowDirectory: condition == "no room" ? "/none" : "/dev/shm")
    #expect(try CollectiveChecks.all(collective) == [])
  }

  @Test("The length of a message does not change a bit", arguments: [0, 20_000, 50_000])
  func pieces(scratchCount: Int) throws {
    let world = try Self.environment.get().world.duplicate()
    let exchange = TreeExchange<Float>(over: world, scratchCount: scratchCount, gatherLimit: 0)
    let count = 100_001
    var values = (0..<count).map { Float(CollectiveChecks.value(world.rank, $0)) }
    try values.withUnsafeMutableBufferPointer { try exchange.sum($0) }
    for index in CollectiveChecks.sample(of: count) {
      #expect(values[index] == CollectiveChecks.expected(Float.self, world.size, index))
    }
  }

  @Test("A buffer lies in shared memory where it can, and else there is a warning")
  func paths() throws {
    let world = try Self.environment.get().world
    let shared = try MPICollective(over: world)
    #expect((try shared.makeSharedBuffer(count: 10).window != nil) == (world.size > 1))
    #expect(shared.warnings == [])
    let cramped = try MPICollective(over: world, ranksPerNode: nil, windowDirectory: "/none")
    #expect(try cramped.makeSharedBuffer(count: 10).window == nil)
    #expect(cramped.warnings.count == (world.size > 1 ? 1 : 0))
    let uneven = try MPICollective(over: world, ranksPerNode: 3)
    #expect((try uneven.makeSharedBuffer(count: 10).window != nil) == (2...3 ~= world.size))
  }

  @Test("The job finds its ranks and this machine")
  func world() throws {
    _ = try Self.environment.get()
    let world = try ParallelWorld.start(threads: 2)
    #expect(world.share.ranks == world.collective.size)
    #expect(world.share.ranksOnNode == world.collective.size)
    #expect(world.share.nodes == 1)
    #expect(world.share.threads == 2)
  }
}
