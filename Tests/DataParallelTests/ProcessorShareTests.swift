import MPIKit
import Testing

@testable import DataParallel

@Suite("Processor share")
struct ProcessorShareTests {
  private func share(
    _ masks: [UInt64], cores: Int, threads: Int? = nil, environment: String? = nil,
    quota: Double? = nil
  ) -> ProcessorShare {
    ProcessorShare(
      ranks: masks.count, nodes: 1, masks: masks.map { ProcessorMask(words: [$0]) }, ownIndex: 0,
      node: NodeProcessors(online: cores, quota: quota), threads: threads,
      variables: environment.map { ["OPENBLAS_NUM_THREADS": $0] } ?? [:])
  }

  @Test(
    "Threads are the cores of the mask, shared with the ranks that overlap",
    arguments: [
      // masks of the node's ranks, cores online, threads
      ([0b1111], 4, 4),
      ([0b0001, 0b0010], 2, 1),
      ([0b0011, 0b1100], 4, 2),
      ([0b1111, 0b1111], 4, 2),
      ([0b1111, 0b1111, 0b1111], 4, 1),
      ([0b0011, 0b0011, 0b0011, 0b0011], 2, 1),
      ([0b0011, 0b0110, 0b1100], 4, 1),
    ] as [([UInt64], Int, Int)])
  func threads(masks: [UInt64], cores: Int, threads: Int) {
    let share = share(masks, cores: cores)
    #expect(share.threads == threads)
    #expect(share.source == .cores)
  }

  @Test("The option goes before the environment, and that before the cores")
  func sources() {
    #expect(share([0b1111], cores: 4, threads: 3, environment: "2").threads == 3)
    #expect(share([0b1111], cores: 4, threads: 3, environment: "2").source == .option)
    #expect(share([0b1111], cores: 4, environment: "2").threads == 2)
    #expect(share([0b1111], cores: 4, environment: "2").source == .environment)
    #expect(share([0b1111], cores: 4, environment: "none").threads == 4)
    #expect(share([0b1111], cores: 4, environment: "0").threads == 4)
  }

  @Test("A fair share gives no warning")
  func noWarning() {
    #expect(share([0b01, 0b10], cores: 2).warnings == [])
    #expect(share([0b11], cores: 2).warnings == [])
    #expect(!share([0b01, 0b10], cores: 2).ranksOutnumberCores)
  }

  @Test("Too many threads or ranks give a warning with a cure")
  func warnings() {
    let bound = share([0b01, 0b10], cores: 2, threads: 4)
    #expect(bound.warnings.count == 2)
    #expect(bound.warnings[0].contains("--map-by slot:PE=4"))
    let shared = share([0b1111, 0b1111], cores: 4, threads: 4)
    #expect(shared.warnings == ["2 ranks with 4 threads each share 4 cores. Set --threads 2."])
    let crowded = share([0b11, 0b11, 0b11], cores: 2)
    #expect(
      crowded.warnings
        == ["3 ranks with 1 thread each share 2 cores. Start at most 2 ranks here."])
    #expect(crowded.ranksOutnumberCores)
    let limited = share([0xff], cores: 8, quota: 2)
    #expect(limited.warnings.count == 1)
    #expect(limited.warnings[0].contains("2.0 cores"))
  }

  @Test("The start-up line names ranks, nodes, cores, binding and threads")
  func summary() {
    #expect(
      share([0b01, 0b10], cores: 2).summary
        == "2 ranks on 1 node (2 here), 2 cores here, bound to 1 of them, 1 thread a rank")
    #expect(
      share([0b11], cores: 2).summary
        == "1 rank on 1 node (1 here), 2 cores here, unbound, 2 threads a rank")
  }

  @Test("A program alone has this machine to itself")
  func solo() throws {
    let world = try ParallelWorld.start(threads: 1, variables: [:])
    #expect(world.collective is SoloCollective)
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
