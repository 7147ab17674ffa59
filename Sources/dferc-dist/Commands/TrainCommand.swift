import ArgumentParser
import Configuration
import Files
import JobControl
import RunRecords
import Training

/// `train`: a whole run, from the data to the test score.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains the model and scores the test split once, at the end.",
    discussion: """
      The best epoch is chosen by the weighted F1 on the validation split. The run folder holds the \
      merged configuration, the metrics, the checkpoints and the result.

      Examples:
        dferc-dist train
        dferc-dist train --config configs/mosi.yaml --data data/mosi \\
          --set train.seed=7
        mpirun -np 8 dferc-dist train --config configs/meld.yaml --resume auto
      """)

  @OptionGroup var configuration: ConfigurationArguments

  @Option(
    help: ArgumentHelp(
      "The run folder.",
      discussion: "Without it the folder is runs/<name of the configuration file>.",
      valueName: "folder"),
    completion: .directory)
  var output: String?

  @Option(
    help: ArgumentHelp(
      "What to go on from: auto, none or a checkpoint file.",
      discussion: """
        With none, a folder that holds checkpoints is refused. With auto, the newest good \
        checkpoint of the folder is used, and a new run is started where there is none.
        """,
      valueName: "auto|none|file"),
    completion: .list(["auto", "none"]))
  var resume = "none"

  @Flag(
    help: """
      Does one training step, one validation group and one test group, and keeps nothing, to see \
      that everything works together.
      """)
  var fastDevRun = false

  @Flag(help: "Writes samples.jsonl, which lists the dialogues of every step.")
  var logSamples = false

  @OptionGroup var threading: ThreadArguments

  // For tests; hidden from help pages and completions.
  @Option(
    parsing: .singleValue, help: ArgumentHelp(visibility: .private),
    transform: { try Fault($0) })
  var injectFault: [Fault] = []

  func validate() throws { try requirePath(output, "--output") }

  var request: RunRequest {
    RunRequest(
      output: output, resume: .init(resume), isFastDevelopmentRun: fastDevRun,
      logsSamples: logSamples)
  }

  func run() throws {
    StopSignal.install()
    let team = try RankTeam.start(threads: threading.threads, faults: injectFault)
    let status = try team.tracker.locatingErrors { try train(team) }
    guard status == .done else { throw ExitCode(status.rawValue) }
  }

  /// Collective; errors are thrown on all ranks.
  ///
  /// - Returns: `done`, or `stopped` if the run was ended by a signal.
  private func train(_ team: RankTeam) throws -> ExitStatus {
    try team.tracker.enter(.start)
    var resolved = try team.together("reading the configuration") {
      try configuration.resolve()
    }
    if fastDevRun { resolved = resolved.shortened() }
    let ending = try TrainingRun(request, team: team).run(resolved)
    try team.onRoot("printing the result") {
      switch ending {
      case .finished(let outcome): try StandardOutput.write(outcome.result.summary)
      case .finishedBefore(let outcome):
        try StandardOutput.write("this run has ended before\n\(outcome.result.summary)")
      case .stopped: break
      }
    }
    try team.world.finish()
    if case .stopped = ending { return .stopped }
    return .done
  }
}
