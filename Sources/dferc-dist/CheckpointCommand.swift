import ArgumentParser
import Training

/// `checkpoint`: what can be done with checkpoints outside of a run.
struct CheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "Inspects, verifies and exports checkpoints.",
    subcommands: [InspectCommand.self, VerifyCommand.self, ExportCommand.self])
}

/// `checkpoint inspect`: what a checkpoint holds.
struct InspectCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Prints the metadata, the configuration and the tensors of a checkpoint.",
    discussion: """
      Example:
        dferc-dist checkpoint inspect runs/mosi/best.safetensors.zst
      """)

  @Argument(help: "The checkpoint.", completion: .file(extensions: ["zst"]))
  var file: String

  var request: CheckpointRequest { .inspect(file: file) }

  func run() throws { try Commands.checkpoint(request) }
}

/// `checkpoint verify`: whether checkpoints are sound.
struct VerifyCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks a checkpoint, or all checkpoints of a folder, to the last bit.",
    discussion: """
      Every checkpoint gets a line. If one is broken, the exit code is 65.

      Example:
        dferc-dist checkpoint verify runs/mosi
      """)

  @Argument(help: "The checkpoint, or a run folder.", completion: .file())
  var path: String

  var request: CheckpointRequest { .verify(path: path) }

  func run() throws { try Commands.checkpoint(request) }
}

/// `checkpoint export`: the model without the state of its training.
struct ExportCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes the parameters, prototypes and counts as a plain safetensors file.",
    discussion: """
      Any safetensors library reads the file, and so does step --weights.

      Example:
        dferc-dist checkpoint export runs/mosi/best.safetensors.zst \\
          --output mosi.safetensors
      """)

  @Argument(help: "The checkpoint.", completion: .file(extensions: ["zst"]))
  var file: String

  @Option(
    help: ArgumentHelp("The safetensors file to write.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  var request: CheckpointRequest { .export(file: file, output: output) }

  func validate() throws { try requirePath(output, "--output") }

  func run() throws { try Commands.checkpoint(request) }
}
