import Configuration
import DFERCModel
import DialogueData
import JobControl
import TensorCore
import Training

/// Times whole training steps, dropout, clipping and AdamW included, on random batches.
struct StepBenchmark {
  private static let seed: UInt64 = 42

  /// How much is computed.
  struct Workload {
    /// The dialogues of a global batch.
    let dialogues: Int
    /// The measured steps.
    let steps: Int
    /// The steps before the measurement.
    let warmup: Int
  }

  private let workload: Workload
  private let configuration: RunConfiguration
  private let team: RankTeam
  private let split: Split
  private let batches: [GlobalBatch]
  private let engine: StepEngine

  /// Collective.
  init(_ workload: Workload, _ configuration: RunConfiguration, team: RankTeam) throws {
    self.workload = workload
    self.configuration = configuration
    self.team = team
    let stepCount = workload.warmup + workload.steps
    let split = BenchmarkWorkload.split(
      dialogueCount: workload.dialogues * stepCount, seed: Self.seed)
    self.split = split
    batches = (0..<stepCount).map { step in
      let first = step * workload.dialogues
      return GlobalBatch(
        dialogues: Array(first..<first + workload.dialogues),
        dialogueLengths: split.dialogueLengths,
        microBatchCount: configuration.train.microBatches ?? team.collective.size)
    }
    engine = try StepEngine(
      configuration, of: split, seed: Self.seed, sharing: StepOptions(configuration), team: team)
  }

  /// Runs the steps and returns the figures of this rank; collective.
  mutating func run() throws -> BenchFigures {
    let clock = ContinuousClock()
    var times: [Double] = []
    for (step, batch) in batches.enumerated() {
      if step == workload.warmup {
        engine.gradientEngine.clock.reset()
        try team.collective.barrier()
      }
      let span = try clock.measure {
        _ = try engine.run(batch, of: split, step: step, rateFactor: 1)
      }
      if step >= workload.warmup { times.append(span / .seconds(1)) }
    }
    var figures = figures(times)
    if let save = try timeSaves() {
      figures.saveStall = save.stallMilliseconds
      figures.saveDuration = save.backgroundSeconds
    }
    return figures
  }

  private func timeSaves() throws -> SaveBenchmark.Figures? {
    let gradients = engine.gradientEngine
    let state = ModelState(
      model: gradients.model, parameters: gradients.parameters, prototypes: gradients.prototypes,
      optimizer: engine.optimizer, shards: MomentShards(gradients))
    return try SaveBenchmark.run(state, configuration, team: team) {
      _ = try engine.run(batches[0], of: split, step: 0, rateFactor: 1)
    }
  }

  /// What fixed micro-batches cost; nil with several ranks, which share them.
  func microBatchTimes() throws -> [Double]? {
    guard team.collective.size == 1 else { return nil }
    let bench = try MicroBatchBenchmark(
      batches: batches, of: split, configuration, seed: Self.seed, team: team)
    return try bench.run()
  }

  private func figures(_ times: [Double]) -> BenchFigures {
    let total = times.reduce(0, +)
    let utterances = batches.dropFirst(workload.warmup).reduce(0) { $0 + $1.utteranceCount }
    let steps = Double(times.count)
    var figures = BenchFigures(
      utterancesPerSecond: Double(utterances) / total,
      stepMilliseconds: BenchFigures.Spread(of: times.map { $0 * 1000 }))
    figures.ranks = team.collective.size
    figures.threads = team.world.share.threads
    figures.dialogues = workload.dialogues
    figures.utterancesInABatch = Double(utterances) / steps
    figures.blasKernel = BLASLibrary.kernelName
    for phase in PhaseClock.Phase.allCases {
      figures.phases[phase.rawValue] = engine.gradientEngine.clock[phase] / steps * 1000
    }
    let flops = StepArithmetic(engine.gradientEngine.model).operationsPerUtterance
    figures.operationsPerUtterance = flops
    let arithmetic: [PhaseClock.Phase] = [.encode, .predict, .losses, .backward]
    let seconds = arithmetic.reduce(0) { $0 + engine.gradientEngine.clock[$1] }
    let share = Double(utterances) / Double(team.collective.size)
    figures.modelFlops = flops * share / seconds
    figures.peakMemoryMegabytes = ProcessMemory.peakMegabytes
    return figures
  }
}

/// The arithmetic of the matrix products of one training step, the usual measure of a model's work.
struct StepArithmetic {
  /// Floating-point operations of forward and backward pass for one utterance.
  ///
  /// Every weight is multiplied and added once forward and twice backward: for the gradient of the
  /// weights and for that of the input. The raw features need no gradient.
  let operationsPerUtterance: Double

  init(_ model: DFERC) {
    operationsPerUtterance = model.layout.parameters.reduce(0) { sum, parameter in
      guard parameter.shape.count == 2 else { return sum }
      let passes = parameter.name.hasPrefix("input.") ? 2.0 : 3.0
      return sum + 2 * passes * Double(parameter.count)
    }
  }
}
