import ArgumentParser
import Configuration

/// `config`: operations on run configurations.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Shows run configurations.",
    subcommands: [ConfigPrintCommand.self])
}

/// `config print`: the resolved configuration of a run.
struct ConfigPrintCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "print",
    abstract: "Prints the resolved configuration, each key with the place it came from.",
    discussion: """
      The output is YAML that --config takes.

      Example:
        dferc-dist config print --config configs/mosi.yaml --set train.epochs=20
      """)

  @OptionGroup var configuration: ConfigurationArguments

  func run() throws { try StandardOutput.write(configuration.resolve().annotated) }
}
