import Foundation
import MPIKit

/// The job that the test program is part of when `mpirun` started it.
///
/// Suites whose names end in `UnderMPI` need it. `MPIRunTests` starts them on several rank counts,
/// one test after the other in the same order on all ranks.
package enum MPIWorld {
  /// Whether `mpirun` started this process.
  package static let isPresent = Launcher.isPresent(in: ProcessInfo.processInfo.environment)

  /// All ranks of the job.
  package static func communicator() throws -> Communicator { try environment.get().world }

  /// The MPI library, which is ended when the program exits, or `mpirun` would report a failure.
  package static let environment = Result {
    let environment = try MPIEnvironment.initialize()
    atexit { if !MPIEnvironment.isFinalized { try? MPIEnvironment.initialize().finalize() } }
    return environment
  }
}
