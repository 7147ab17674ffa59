import Configuration
import DialogueData
import JobControl
import StallDetection
import TensorCore
import Training

/// Times whole training steps, dropout, clipping and AdamW included, on random batches.
struct StepBenchmark {
  private static let seed: UInt64 = 42

  /// The size of the benchmark.
  struct Workload {
    /// The number of dialogues in a global batch.
    let dialogues: Int
    /// The number of measured steps.
    let steps: Int
    /// The number of steps before the measurement.
    let warmup: Int
  }

  private let workload: Workload
  private let configuration: RunConfiguration
  private let team: RankTeam
  private let split: Split
  private let batches: [GlobalBatch]
  private let trainingStep: TrainingStep

  /// Generates the batches and allocates the training step; collective.
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
    trainingStep = try TrainingStep(
      configuration, of: split, seed: Self.seed, options: StepOptions(configuration), team: team)
  }

  /// Runs the steps and returns the figures of this rank; collective.
  mutating func run() throws -> BenchFigures {
    let clock = ContinuousClock()
    var times: [Double] = []
    for (step, batch) in batches.enumerated() {
      if step == workload.warmup {
        try team.collective.barrier()
        team.tracker.resetClock()
      }
      try team.tracker.begin(step: step + 1)
      let span = try clock.measure {
        _ = try trainingStep.run(batch, of: split, step: step, rateFactor: 1)
      }
      if step >= workload.warmup { times.append(span / .seconds(1)) }
    }
    try team.tracker.enter(.finish)
    var figures = figures(times)
    if let save = try timeSaves() {
      figures.saveStall = save.stallMilliseconds
      figures.saveDuration = save.backgroundSeconds
    }
    return figures
  }

  private func timeSaves() throws -> SaveBenchmark.Figures? {
    try SaveBenchmark.run(ModelState(of: trainingStep), configuration, team: team) {
      _ = try trainingStep.run(batches[0], of: split, step: 0, rateFactor: 1)
    }
  }

  /// The times of ``MicroBatchBenchmark``; nil on several ranks, which share micro-batches.
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
    figures.utterancesPerBatch = Double(utterances) / steps
    figures.blasKernel = BLASLibrary.kernelName
    for phase in RunPhase.ofStep {
      figures.phases[phase.name] = team.tracker.seconds(in: phase) / steps * 1000
    }
    let flops = trainingStep.engine.model.operationsPerUtterance
    figures.operationsPerUtterance = flops
    let arithmetic: [RunPhase] = [.forward, .losses, .backward]
    let seconds = arithmetic.reduce(0) { $0 + team.tracker.seconds(in: $1) }
    let share = Double(utterances) / Double(team.collective.size)
    figures.modelFlops = flops * share / seconds
    figures.peakMemoryMegabytes = ProcessMemory.peakMegabytes
    return figures
  }
}
