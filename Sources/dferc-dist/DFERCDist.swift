import ArgumentParser
import JobControl
import Training

/// The root command: its subcommands, of which `train` is the default.
@main
struct DFERCDist: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dferc-dist",
    abstract: "Trains DF-ERC, a model of emotions in conversation, data-parallel over MPI.",
    discussion: """
      Without a subcommand it trains; without a configuration it trains on a synthetic corpus that \
      is built in. Every command runs alone or as one of the ranks of mpirun.

      Examples:
        dferc-dist
        mpirun -np 8 dferc-dist train --config configs/meld.yaml --data data/meld
        dferc-dist evaluate --checkpoint runs/meld/best.safetensors.zst \\
          --data data/meld

      To complete commands and flags with the tab key in bash, run
        dferc-dist --generate-completion-script bash > ~/.dferc-dist.bash
      and source that file in ~/.bashrc; zsh and fish are known as well.

      Exit codes: 0 done, 64 usage, 65 bad data or checkpoint, 66 a named input does not exist, \
      70 a bug, 74 storage failed, 75 stopped on request (run it again to go on), 76 ranks \
      disagree, 78 bad configuration, 79 a loss or gradient is not finite, 80 a rank stalled.
      """,
    version: ProgramVersion.current,
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, StepCommand.self,
      CheckpointCommand.self, DataCommand.self, BenchCommand.self, ConfigCommand.self,
      DoctorCommand.self,
    ],
    defaultSubcommand: TrainCommand.self)

  static func main() {
    Launch().run(Self.self)
  }
}
