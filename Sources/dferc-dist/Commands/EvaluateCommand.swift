import ArgumentParser
import DialogueData
import Files
import JobControl
import RunRecords
import Training

/// The flags of the commands that apply a trained model to a split.
struct ScoringArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("The checkpoint that holds the model.", valueName: "file"),
    completion: .file(extensions: ["zst"]))
  var checkpoint: String

  @Option(help: ArgumentHelp("The dataset folder.", valueName: "folder"), completion: .directory)
  var data: String

  @Option(help: "The split of the dataset.")
  var split = SplitName.test
}

/// `evaluate`: the scores of a checkpoint.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Scores a checkpoint on a split of a dataset.",
    discussion: """
      It prints accuracy, weighted F1, the precision, recall, F1 and support of each emotion, and \
      the confusion matrix. The figures do not depend on the number of ranks.

      Example:
        dferc-dist evaluate --checkpoint runs/mosi/best.safetensors.zst \\
          --data data/mosi --json
      """)

  @OptionGroup var scoring: ScoringArguments

  @Flag(help: "Prints JSON instead of tables.")
  var json = false

  @OptionGroup var threading: ThreadArguments

  func run() throws {
    let team = try RankTeam.start(threads: threading.threads)
    try team.tracker.locatingErrors { try evaluate(team) }
  }

  /// Collective; errors are thrown on all ranks.
  private func evaluate(_ team: RankTeam) throws {
    let saved = try SavedModel(checkpoint: scoring.checkpoint, team: team)
    let split = try saved.split(
      scoring.split, of: scoring.data, allowsMissingEmotion: false, team: team)
    guard let scores = try Evaluator(saved, team).score(split) else {
      preconditionFailure("evaluate installs no stop signal")
    }
    let report = ClassificationReport(scores.matrix, emotions: saved.emotions)
    if team.isRoot {
      try StandardOutput.write(json ? JSONText.document(report) : report.table)
    }
    try team.world.finish()
  }
}
