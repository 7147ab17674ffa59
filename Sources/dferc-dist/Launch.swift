import ArgumentParser
import Foundation
import JobControl
import Training

/// What the launcher's environment says about this process, before MPI is started.
struct Launch {
  /// The number of this rank; 0 without a launcher.
  let rank: Int

  /// Reads the environment that Open MPI, PMIx or Slurm gives each rank.
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
      leave(error, root)
    }
  }

  /// Ends the program after an error.
  ///
  /// Errors in the arguments and requests for help belong to the parser, and as every rank was
  /// given the same arguments, rank 0 speaks for all.
  private func leave<Root: ParsableCommand>(_ error: any Error, _ root: Root.Type) -> Never {
    // A command that chose its exit code has said why, and its ranks have left MPI together.
    if let code = error as? ExitCode { exit(code.rawValue) }
    let code = root.exitCode(for: error)
    guard code != .failure else { ErrorExit.terminate(error, rank: rank) }
    guard rank == 0 else { ErrorExit.terminateSilently(code: code.rawValue) }
    root.exit(withError: error)
  }
}

/// A command that one rank does alone; under `mpirun` the others have nothing to do.
protocol SingleRankCommand: ParsableCommand {}
