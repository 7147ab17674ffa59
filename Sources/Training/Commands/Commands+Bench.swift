import DFERCModel
import DialogueData
import TensorCore

extension Commands {
  /// Measures training steps on random batches of MELD's size and prints the figures; collective.
  ///
  /// - Throws: `ConfigurationError` for an override that cannot be used, `FileError` if the output
  ///   cannot be written, and what a launcher's trouble throws.
  public static func bench(_ request: BenchRequest) throws {
    let team = try RankTeam.start(threads: request.threads)
    try team.tracker.locatingErrors { try bench(request, team) }
  }

  private static func bench(_ request: BenchRequest, _ team: RankTeam) throws {
    let configuration = try team.together("reading the configuration") {
      try ConfigurationRequest(overrides: request.overrides).resolve().configuration
    }
    team.announce()
    team.settleThreads(for: configuration)
    let peak = MachinePeak.matrixProduct()
    let sums = try MachinePeak.sums(over: team.world)
    var bench = try StepBenchmark(request, configuration, team: team)
    var figures = try bench.run()
    figures.microBatchTimes = try bench.microBatchTimes()
    figures.peakFlops = peak
    figures.sums = sums
    if team.isFirst {
      try StandardOutput.write(
        request.printsJSON ? JSONText.document(figures) : figures.table)
    }
    try team.world.finish()
  }
}
