import ArgumentParser
import Foundation
import JobControl
import Training

/// The launch of this process, by the environment of the launcher and before MPI is initialised.
struct Launch {
  /// The number of this rank; 0 without a launcher.
  let rank: Int

  /// Reads the rank from the environment that Open MPI, PMIx or Slurm sets.
  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    let names = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"]
    rank = names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first ?? 0
  }

  /// Parses the command line and runs the command; errors end the program with their exit code.
  func run<Root: ParsableCommand>(_ root: Root.Type) {
    do {
      var command = try root.parseAsRoot()
      guard rank == 0 || !(command is any SingleRankCommand) else { return }
      try command.run()
    } catch {
      terminate(error, root)
    }
  }

  /// Ends the program with the exit code of an error.
  ///
  /// Usage errors and help are printed by rank 0 only, because all ranks have the same arguments.
  private func terminate<Root: ParsableCommand>(_ error: any Error, _ root: Root.Type) -> Never {
    // The command has printed the reason, and all ranks have finalised MPI.
    if let code = error as? ExitCode { exit(code.rawValue) }
    let code = root.exitCode(for: error)
    guard code != .failure else { ErrorExit.terminate(error, rank: rank) }
    guard rank == 0 else { ErrorExit.terminateSilently(code: code.rawValue) }
    root.exit(withError: error)
  }
}

/// A command that runs on rank 0 only; under `mpirun`, the other ranks return at once.
protocol SingleRankCommand: ParsableCommand {}
