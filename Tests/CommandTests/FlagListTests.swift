import ArgumentParser
import Testing

@testable import dferc_dist

@Suite("Commands: flags")
struct FlagListTests {
  /// The arguments of every command; any other setting belongs in the configuration.
  static let known: [(any ParsableCommand.Type, [String])] = [
    (
      TrainCommand.self,
      [
        "--config", "--data", "--set", "--output", "--resume", "--fast-dev-run", "--log-samples",
        "--threads",
      ]
    ),
    (EvaluateCommand.self, ["--checkpoint", "--data", "--split", "--json", "--threads"]),
    (PredictCommand.self, ["--checkpoint", "--data", "--split", "--output", "--threads"]),
    (
      StepCommand.self,
      [
        "--config", "--data", "--set", "--split", "--dialogues", "--weights", "--no-dropout",
        "--output", "--threads",
      ]
    ),
    (CheckpointCommand.self, []),
    (InspectCommand.self, ["<file>"]),
    (VerifyCommand.self, ["<path>"]),
    (ExportCommand.self, ["<file>", "--output"]),
    (DataCommand.self, []),
    (SynthesizeCommand.self, ["--output", "--seed", "--scale", "--half"]),
    (ValidateCommand.self, ["<folder>", "--data"]),
    (
      BenchCommand.self,
      ["--dialogues", "--steps", "--warmup", "--json", "--set", "--threads"]
    ),
    (ConfigCommand.self, []),
    (ConfigPrintCommand.self, ["--config", "--data", "--set"]),
    (DoctorCommand.self, ["--json", "--threads"]),
  ]

  @Test("No command has gained or lost a flag")
  func flags() {
    for (command, expected) in Self.known {
      #expect(arguments(of: command) == expected, "\(command)")
    }
  }

  @Test("Options for tests are hidden from help pages and completions")
  func injectedFaults() throws {
    for (command, _) in Self.known {
      #expect(!command.helpMessage(includeHidden: true).contains("inject"), "\(command)")
    }
    for shell in [CompletionShell.bash, .zsh, .fish] {
      #expect(!DFERCDist.completionScript(for: shell).contains("inject"), "\(shell.rawValue)")
    }
    let command = try #require(
      try DFERCDist.parseAsRoot(["train", "--inject-fault", "stop@save"]) as? TrainCommand)
    #expect(command.injectFault.count == 1)
    let without = try #require(try DFERCDist.parseAsRoot(["train"]) as? TrainCommand)
    #expect(without.injectFault == [])
  }

  @Test("The list above names every command")
  func commands() {
    func all(below command: any ParsableCommand.Type) -> [String] {
      command.configuration.subcommands.flatMap { ["\($0)"] + all(below: $0) }
    }
    let known = Self.known.map { "\($0.0)" }
    #expect(all(below: DFERCDist.self).sorted() == known.sorted())
  }

  /// The names in the first column of the help page.
  private func arguments(of command: any ParsableCommand.Type) -> [String] {
    let page = command.helpMessage(includeHidden: true, columns: 400)
    let pattern = /^  (?:-\w, )?(--[\w-]+|<[\w-]+>)/
    return page.split(separator: "\n").compactMap { line in
      line.firstMatch(of: pattern).map { String($0.1) }
    }.filter { $0 != "--help" && $0 != "--version" }
  }
}
