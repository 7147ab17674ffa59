import DataParallel
import JobControl
import MPIKit
import TestSupport
import Testing

@Suite("The ranks of a run")
struct ParallelWorldTests {
  @Test("A program alone has this machine to itself")
  func solo() throws {
    let world = try ParallelWorld.start(threads: 1, variables: [:])
    #expect(world.mpi == nil && world.collective.size == 1)
    #expect(world.share.ranks == 1)
    #expect(world.share.threads == 1)
    try world.finish()
  }

  @Test("Stray tasks of srun are refused before anything else")
  func stray() {
    #expect(throws: LaunchError.self) {
      try ParallelWorld.start(variables: ["SLURM_STEP_NUM_TASKS": "2"])
    }
  }

  @Test("Warnings of all ranks come together on rank 0, each once")
  func sharedWarnings() throws {
    let all = try LoopbackCollective.run(ranks: 3) { collective in
      let own = collective.rank == 0 ? ["a"] : collective.rank == 1 ? ["a", "b"] : ["b"]
      return try ParallelWorld.shareWarnings(own, collective)
    }
    #expect(all == [["a", "rank 1: b"], ["a", "b"], ["b"]])
  }
}
