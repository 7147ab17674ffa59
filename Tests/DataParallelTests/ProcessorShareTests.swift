import MPIKit
import Testing

@testable import DataParallel

@Suite("Processor share")
struct ProcessorShareTests {
  private func share(
    _ masks: [UInt64], cores: Int, threads: Int? = nil, environment: String? = nil,
    quota: Double? = nil, isLaunched: Bool = false
  ) -> ProcessorShare {
    var variables = environment.map { ["OPENBLAS_NUM_THREADS": $0] } ?? [:]
    if isLaunched { variables["OMPI_COMM_WORLD_SIZE"] = "\(masks.count)" }
    return ProcessorShare(
      ranks: masks.count, nodes: 1, masks: masks.map { ProcessorMask(words: [$0]) }, ownIndex: 0,
      node: NodeProcessors(online: cores, quota: quota), threads: threads,
      variables: variables)
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
    #expect(share([0b1111], cores: 4, environment: "9223372036854775807").threads == 1024)
  }

  @Test("A fair share gives no warning")
  func noWarning() {
    #expect(share([0b01, 0b10], cores: 2).warnings == [])
    #expect(share([0b11], cores: 2).warnings == [])
    #expect(!share([0b01, 0b10], cores: 2).ranksOutnumberCores)
  }

  @Test("Too many threads or ranks give one warning, with a cure that is one")
  func warnings() {
    #expect(
      share([0b11], cores: 2, threads: 4).warnings
        == ["4 threads must share 2 cores, all that the rank may use. Set --threads 2."])
    #expect(
      share([0b0001, 0b0010], cores: 8, threads: 4, isLaunched: true).warnings == [
        "4 threads must share 1 core, all that the rank may use. "
          + "Start with mpirun --map-by slot:PE=4 --bind-to core, or set --threads 1."
      ])
    #expect(
      share([0b01, 0b10], cores: 2, threads: 4, isLaunched: true).warnings
        == ["4 threads must share 1 core, all that the rank may use. Set --threads 1."])
    #expect(
      share([0b1111, 0b1111], cores: 4, threads: 4).warnings
        == ["2 ranks with 4 threads each share 4 cores. Set --threads 2."])
  }

  @Test("More ranks than cores are to be fewer, by as many as their threads need")
  func crowd() {
    let crowded = share([0b11, 0b11, 0b11], cores: 2)
    #expect(
      crowded.warnings
        == ["3 ranks with 1 thread each share 2 cores. Start at most 2 ranks here."])
    #expect(crowded.ranksOutnumberCores)
    #expect(
      share([0b11, 0b11, 0b11], cores: 2, threads: 2).warnings
        == ["3 ranks with 2 threads each share 2 cores. Start at most 1 rank here."])
    #expect(
      share([0b11, 0b11, 0b11], cores: 2, threads: 4).warnings == [
        "3 ranks with 4 threads each share 2 cores. "
          + "Start at most 2 ranks here, with --threads 1."
      ])
  }

  @Test("The limit of a container counts where it is the tighter one")
  func containers() {
    #expect(
      share([0xff], cores: 8, quota: 2).warnings == [
        "the container may use 2.0 cores, but 1 rank with 8 threads each wants more. "
          + "Raise its CPU limit, or set --threads 2."
      ])
    let both = share([0b11], cores: 2, threads: 8, quota: 4).warnings
    #expect(both == ["8 threads must share 2 cores, all that the rank may use. Set --threads 2."])
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

  @Test("This process may run somewhere on this node")
  func thisMachine() throws {
    let mask = try #require(ProcessorMask.ofThisProcess())
    let node = NodeProcessors.ofThisNode()
    #expect(1...node.online ~= mask.count)
    if let physical = node.physical { #expect(physical > 0) }
  }

  @Test(
    "A control group's quota is time over period",
    arguments: [
      ("200000 100000\n", 2.0), ("50000 100000", 0.5), ("max 100000\n", nil), ("", nil),
      ("1 0", nil),
    ] as [(String, Double?)])
  func quota(text: String, cores: Double?) {
    #expect(NodeProcessors.coresOfQuota(text) == cores)
  }
}
