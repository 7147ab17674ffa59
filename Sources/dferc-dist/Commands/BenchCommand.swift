import ArgumentParser
import Configuration
import Files
import JobControl

/// `bench`: the speed of training steps on this machine.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures the speed of training steps on random batches of MELD's size.",
    discussion: """
      It prints utterances per second, the time of a step by phase, the model's arithmetic against \
      this machine's peak of matrix products, the time of the sum over ranks, what fixed \
      micro-batches cost, and how long a save holds up training.

      Examples:
        dferc-dist bench --threads 1
        mpirun -np 2 dferc-dist bench --threads 1 --dialogues 16 --json
        mpirun -np 2 dferc-dist bench --set optimizer.sharded=true
      """)

  @Option(help: "The number of dialogues in the global batch, over all ranks.")
  var dialogues = 8

  @Option(help: "The number of steps that are measured.")
  var steps = 30

  @Option(help: "The number of steps before the measurement.")
  var warmup = 5

  @Flag(help: "Prints JSON instead of a table.")
  var json = false

  @OptionGroup var overrides: OverrideArguments

  @OptionGroup var threading: ThreadArguments

  func validate() throws {
    let limit = RequestLimits.benchDialogues
    try requireCount(dialogues, "--dialogues", upTo: limit)
    try requireCount(steps, "--steps", upTo: limit)
    try requireCount(warmup, "--warmup", from: 0, upTo: limit)
    let total = dialogues * (steps + warmup)
    guard total <= limit else {
      throw ValidationError(
        "--dialogues times the steps, --warmup included, makes \(total) dialogues in memory; "
          + "\(limit) is the most.")
    }
  }

  func run() throws {
    let team = try RankTeam.start(threads: threading.threads)
    try team.tracker.locatingErrors { try bench(team) }
  }

  private func bench(_ team: RankTeam) throws {
    let configuration = try team.together("reading the configuration") {
      try ResolvedConfiguration(overrides: overrides.set).configuration
    }
    team.announce()
    team.limitBLASThreads(for: configuration)
    let peak = MachinePeak.matrixProduct()
    let sums = try MachinePeak.sums(over: team.world)
    let workload = StepBenchmark.Workload(dialogues: dialogues, steps: steps, warmup: warmup)
    var bench = try StepBenchmark(workload, configuration, team: team)
    var figures = try bench.run()
    figures.microBatchTimes = try bench.microBatchTimes()
    figures.peakFlops = peak
    figures.sums = sums
    if team.isRoot {
      try StandardOutput.write(json ? JSONText.document(figures) : figures.table)
    }
    try team.world.finish()
  }
}
