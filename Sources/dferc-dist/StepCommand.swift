import ArgumentParser
import Training

/// `step`: one forward and backward pass, for holding the model against another implementation.
struct StepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Computes the losses and gradients of one batch without changing the model.",
    discussion: """
      The named dialogues form one global batch, their rows in the order given. The losses are \
      printed as JSON; the output file holds logits, consistency, contributions, prototypes, \
      counts and the gradient of every parameter before clipping.

      Example:
        dferc-dist step --config configs/mosi.yaml --data data/mosi \\
          --dialogues a,b --no-dropout --output step.safetensors
      """)

  @Option(
    help: ArgumentHelp("The YAML file of the run.", valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  var config: String

  @Option(help: ArgumentHelp("The dataset folder.", valueName: "folder"), completion: .directory)
  var data: String

  @OptionGroup var overrides: OverrideArguments

  @Option(help: "The split that the dialogues are from.")
  var split = SplitName.train

  @Option(
    help: ArgumentHelp("The ids of the dialogues, separated by commas.", valueName: "id,id,..."))
  var dialogues: String

  @Option(
    help: ArgumentHelp(
      "The safetensors file of parameters, prototypes and counts.",
      discussion: "Without it the parameters have the initial values of the seed.",
      valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var weights: String?

  @Flag(help: "Leaves dropout out.")
  var noDropout = false

  @Option(
    help: ArgumentHelp("The safetensors file to write.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  @OptionGroup var threading: ThreadArguments

  private var ids: [String] {
    dialogues.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  var request: StepRequest {
    StepRequest(
      configuration: ConfigurationRequest(file: config, data: data, overrides: overrides.set),
      split: split, dialogues: ids, weights: weights, appliesDropout: !noDropout, output: output,
      threads: threading.threads)
  }

  func validate() throws {
    try requirePath(output, "--output")
    if ids.contains("") {
      throw ValidationError("--dialogues has an empty id in \"\(dialogues)\".")
    }
    if Set(ids).count < ids.count {
      throw ValidationError("--dialogues names a dialogue twice in \"\(dialogues)\".")
    }
  }

  func run() throws { try Commands.step(request) }
}
