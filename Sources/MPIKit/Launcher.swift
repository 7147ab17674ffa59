import Files

/// How this process was started, according to its environment variables.
package enum Launcher {
  /// Whether a launcher that MPI supports started this process as a rank of a job.
  ///
  /// - Parameter variables: The environment variables of this process.
  package static func isPresent(in variables: [String: String]) -> Bool {
    variables["OMPI_COMM_WORLD_SIZE"] != nil || variables["PMIX_RANK"] != nil
  }

  /// The rank of this process according to the launcher; nil without one.
  ///
  /// - Parameter variables: The environment variables of this process.
  package static func rank(in variables: [String: String]) -> Int? {
    ["OMPI_COMM_WORLD_RANK", "PMIX_RANK"].lazy.compactMap { variables[$0].flatMap { Int($0) } }
      .first
  }

  /// Throws if a launcher started several tasks that cannot connect to each other.
  ///
  /// Each of them would train alone as rank 0 and write into the same files. To be called before
  /// any input is read; it does not communicate.
  ///
  /// - Parameters:
  ///   - variables: The environment variables of this process.
  ///   - worldSize: The number of ranks; nil before MPI is started.
  /// - Throws: ``LaunchError``, a usage error (exit code 64).
  package static func refuseStrayTasks(
    in variables: [String: String], worldSize: Int? = nil
  ) throws(LaunchError) {
    // PMIx sets its variables even where it cannot connect the tasks.
    let isAlone =
      worldSize.map { $0 == 1 && variables["OMPI_COMM_WORLD_SIZE"] == nil }
      ?? !isPresent(in: variables)
    guard isAlone else { return }
    if let tasks = variables["SLURM_STEP_NUM_TASKS"].flatMap(Int.init), tasks > 1 {
      throw LaunchError(
        message: "srun started \(tasks) tasks, but gave them no way to form one MPI job. "
          + "Start the job with `srun --mpi=pmix`, or with `mpirun` inside the allocation.")
    }
    if let tasks = variables["PMI_SIZE"].flatMap(Int.init), tasks > 1 {
      throw LaunchError(
        message: "another MPI's launcher started \(tasks) processes, which cannot form one job. "
          + "Start the job with Open MPI's own mpirun (`mpirun.openmpi`).")
    }
  }
}

/// An unusable way of starting the program: a usage error.
package struct LaunchError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, and the cure.
  package let message: String

  /// The whole message.
  package var description: String { message }
}

extension LaunchError: ExitStatusError {
  package var exitStatus: ExitStatus { .usage }
}
