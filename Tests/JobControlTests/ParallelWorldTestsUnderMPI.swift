import JobControl
import MPIKit
import TestSupport
import Testing

/// Runs in the job that `MPIRunTests` starts.
@Suite("The ranks of a run over MPI", .serialized, .enabled(if: MPIWorld.isPresent))
struct ParallelWorldTestsUnderMPI {
  @Test("The job finds its ranks and this machine")
  func world() throws {
    _ = try MPIWorld.communicator()
    let world = try ParallelWorld.start(threads: 2)
    #expect(world.share.ranks == world.collective.size)
    #expect(world.share.ranksOnNode == world.collective.size)
    #expect(world.share.nodes == 1)
    #expect(world.share.threads == 2)
  }
}
