import Testing

@testable import MPIKit

@Suite("Launch")
struct LaunchTests {
  @Test(
    "Ranks that cannot find each other are refused",
    arguments: [
      (["SLURM_STEP_NUM_TASKS": "4"], true),
      (["SLURM_STEP_NUM_TASKS": "1"], false),
      (["SLURM_STEP_NUM_TASKS": "4", "PMIX_RANK": "0"], false),
      (["SLURM_STEP_NUM_TASKS": "4", "OMPI_COMM_WORLD_SIZE": "4"], false),
      (["PMI_SIZE": "2", "PMI_RANK": "1"], true),
      ([:], false),
    ])
  func strayTasks(variables: [String: String], isRefused: Bool) {
    let result = Result { () throws(LaunchError) in
      try Launcher.refuseStrayTasks(in: variables)
    }
    switch result {
    case .success: #expect(!isRefused)
    case .failure(let error): #expect(isRefused && error.description.contains("Start the job with"))
    }
  }

  @Test("A job of several ranks is never refused; tasks that PMIx has not connected are")
  func world() {
    let tasks = ["SLURM_STEP_NUM_TASKS": "4", "PMIX_RANK": "0"]
    #expect(throws: Never.self) { try Launcher.refuseStrayTasks(in: tasks, worldSize: 4) }
    #expect(throws: LaunchError.self) { try Launcher.refuseStrayTasks(in: tasks, worldSize: 1) }
    let launched = tasks.merging(["OMPI_COMM_WORLD_SIZE": "1"]) { $1 }
    #expect(throws: Never.self) { try Launcher.refuseStrayTasks(in: launched, worldSize: 1) }
  }

  @Test(
    "Waiting ranks yield only where ranks outnumber cores",
    arguments: [
      // ranks, cores in the mask, cores online, bound, quota, yields
      (2, 2, 2, false, nil, false),
      (4, 2, 2, false, nil, true),
      (2, 1, 8, true, nil, false),
      (16, 1, 8, true, nil, true),
      (4, 2, 64, false, nil, true),
      (8, 64, 64, false, 4.0, true),
      (4, 64, 64, false, 4.0, false),
    ] as [(Int, Int, Int, Bool, Double?, Bool)])
  func yields(
    ranks: Int, inMask: Int, online: Int, isBound: Bool, quota: Double?, yields: Bool
  ) {
    var variables = ["OMPI_COMM_WORLD_LOCAL_SIZE": "\(ranks)"]
    if isBound { variables["OMPI_MCA_orte_bound_at_launch"] = "1" }
    let mask = ProcessorMask(words: [inMask == 64 ? .max : 1 << UInt64(inMask) - 1])
    let tuning = LaunchTuning(
      variables: variables, mask: mask, node: NodeProcessors(online: online, quota: quota),
      canReadMemory: true)
    #expect(tuning.settings == (yields ? ["OMPI_MCA_mpi_yield_when_idle": "1"] : [:]))
  }

  @Test("A sandbox without process_vm_readv turns the single copy off")
  func singleCopy() {
    let node = NodeProcessors(online: 2)
    let tuning = LaunchTuning(variables: [:], mask: nil, node: node, canReadMemory: false)
    #expect(tuning.settings == ["OMPI_MCA_btl_vader_single_copy_mechanism": "none"])
  }

  @Test("What the user has set is left alone")
  func userSettings() {
    let variables = [
      "OMPI_COMM_WORLD_LOCAL_SIZE": "8", "OMPI_MCA_mpi_yield_when_idle": "0",
      "OMPI_MCA_btl_vader_single_copy_mechanism": "cma",
    ]
    let tuning = LaunchTuning(
      variables: variables, mask: nil, node: NodeProcessors(online: 2), canReadMemory: false)
    #expect(tuning.settings.isEmpty)
  }
}

@Suite("Processors")
struct ProcessorTests {
  @Test("Masks count, overlap and unite across words")
  func masks() {
    let low = ProcessorMask(words: [0b0110, 0])
    let high = ProcessorMask(words: [0b1000, 1])
    #expect(low.count == 2)
    #expect(!low.overlaps(high))
    #expect(low.overlaps(ProcessorMask(words: [0b0010])))
    #expect(low.union(high) == ProcessorMask(words: [0b1110, 1]))
    #expect(ProcessorMask(words: [1]).union(high) == ProcessorMask(words: [0b1001, 1]))
  }

  @Test("Nodes are numbered by their lowest rank")
  func nodeNumbers() {
    #expect(NodeLayout.numberNodes([0, 0, 2, 2, 0]) == [0, 0, 1, 1, 0])
    #expect(NodeLayout.numberNodes([0, 1, 0, 1]) == [0, 1, 0, 1])
  }
}
