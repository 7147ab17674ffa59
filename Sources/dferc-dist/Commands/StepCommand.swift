import ArgumentParser
import Configuration
import DialogueData
import Files
import JobControl
import Training

/// `step`: one forward and backward pass, for comparison with another implementation.
struct StepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Computes the losses and gradients of one batch without changing the model.",
    discussion: """
      The named dialogues form one global batch, their rows in the order given. The losses are \
      printed as JSON; the output file holds logits and the gradient of every parameter before \
      clipping, for DF-ERC also consistency, contributions, prototypes and counts.

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
      "The safetensors file of parameters, as checkpoint export writes it.",
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

  var ids: [String] {
    dialogues.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
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

  func run() throws {
    let team = try RankTeam.start(threads: threading.threads)
    try team.tracker.locatingErrors { try step(team) }
  }

  /// Collective; errors are thrown on all ranks.
  private func step(_ team: RankTeam) throws {
    try team.onRoot("checking the output") {
      try OutputFile.requireFolder(of: output)
    }
    let resolved = try team.together("reading the configuration") {
      try ResolvedConfiguration(file: config, overrides: overrides.set, data: data)
    }
    try team.tracker.enter(.load)
    let (dataset, split) = try team.together("reading the data") {
      let dataset = try LoadedData.dataset(resolved)
      let split = try dataset.split(self.split) { team.world.heartbeat.beat() }
      return (dataset, split)
    }
    let configuration = resolved.using(dataset.modalities).configuration
    try team.requireSame([
      ("configuration", configuration.yaml), ("dataset", dataset.digest(of: [split])),
      ("list of dialogues", ids.joined(separator: ",")),
    ])
    team.limitBLASThreads(for: configuration)
    let dialogues = try team.together("finding the dialogues") {
      try indices(of: ids, in: split)
    }
    let single = try SingleStep(
      model: configuration.model(for: split), configuration: configuration, team: team)
    try team.together("reading the weights") {
      if let weights { try single.readWeights(weights) }
    }
    try team.requireSame([("set of weights", single.digest)])
    let outcome = try single.run(dialogues, of: split, appliesDropout: !noDropout)
    try team.onRoot("writing the step") {
      try outcome.write(to: output)
      try StandardOutput.write(try JSONText.document(outcome.losses))
    }
    try team.world.finish()
  }

  private func indices(of ids: [String], in split: Split) throws -> [Int] {
    try ids.map { id in
      guard let index = split.index(ofDialogue: id) else {
        throw TrainingError(
          kind: .usage, place: "--dialogues", reason: "split \(split.name) has no dialogue \(id)",
          cure: "Name dialogues by the ids in \(split.name).jsonl.")
      }
      return index
    }
  }
}
