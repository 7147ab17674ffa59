import ArgumentParser
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

  var request: EvaluateRequest {
    EvaluateRequest(
      checkpoint: scoring.checkpoint, data: scoring.data, split: scoring.split, printsJSON: json,
      threads: threading.threads)
  }

  func run() throws { try Commands.evaluate(request) }
}

/// `predict`: an emotion for every utterance.
struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predicts an emotion for every utterance of a split.",
    discussion: """
      Each utterance becomes one line of JSON with its dialogue, the emotion, the probability of \
      every emotion, the contribution of every modality and the consistency between them. The \
      utterances need no labels.

      Example:
        dferc-dist predict --checkpoint runs/mosi/best.safetensors.zst \\
          --data data/mosi --output predictions.jsonl
      """)

  @OptionGroup var scoring: ScoringArguments

  @Option(
    help: ArgumentHelp(
      "The file to write; without it the lines go to standard output.", valueName: "file.jsonl"),
    completion: .file(extensions: ["jsonl"]))
  var output: String?

  @OptionGroup var threading: ThreadArguments

  var request: PredictRequest {
    PredictRequest(
      checkpoint: scoring.checkpoint, data: scoring.data, split: scoring.split, output: output,
      threads: threading.threads)
  }

  func validate() throws { try requirePath(output, "--output") }

  func run() throws { try Commands.predict(request) }
}
