import ArgumentParser
import DialogueData
import JobControl

/// `data`: operations on datasets outside of a run.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Writes the synthetic corpus and checks dataset folders.",
    subcommands: [SynthesizeCommand.self, ValidateCommand.self])
}

/// `data synthesize`: the synthetic corpus as a dataset folder.
struct SynthesizeCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize",
    abstract: "Writes the synthetic corpus as a dataset folder.",
    discussion: """
      The corpus has MELD's emotions, label distribution and dialogue lengths. With the default \
      seed and scale it is the one that train uses when it is given no data.

      Example:
        dferc-dist data synthesize --output data/synthetic --scale 0.1
      """)

  @Option(help: ArgumentHelp("The folder to write.", valueName: "folder"), completion: .directory)
  var output: String

  @Option(help: "The seed, which decides every bit of the corpus.")
  var seed = SyntheticCorpus.standardSeed

  @Option(help: "The number of dialogues relative to MELD's, from 0.001 to 1000.")
  var scale = 1.0

  @Flag(help: "Writes features in half precision.")
  var half = false

  func validate() throws { try requirePath(output, "--output") }

  func run() throws {
    let options = SyntheticCorpus.Options(scale: scale)
    if let problem = options.problem {
      throw TrainingError(
        kind: .usage, place: "--scale",
        reason: problem.hasSuffix(".") ? String(problem.dropLast()) : problem,
        cure: "Choose another scale.")
    }
    try SyntheticCorpus(seed: seed, options: options).write(to: output, isHalf: half)
    try StandardOutput.write(DatasetReport(ofFolder: output).text)
  }
}

/// `data validate`: a complete check of a dataset folder.
struct ValidateCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Checks a dataset folder completely and prints its statistics.",
    discussion: """
      The first error is reported with its file, line or row, and cure.

      Example:
        dferc-dist data validate data/mosi
      """)

  @Argument(
    help: ArgumentHelp("The dataset folder.", valueName: "folder"), completion: .directory)
  var folder: String?

  @Option(
    help: ArgumentHelp("The dataset folder, as other commands name it.", valueName: "folder"),
    completion: .directory)
  var data: String?

  func validate() throws {
    guard (folder == nil) != (data == nil) else {
      throw ValidationError("Name one dataset folder.")
    }
  }

  func run() throws { try StandardOutput.write(DatasetReport(ofFolder: folder ?? data ?? "").text) }
}
