import Files

/// How this process was started, judged by its environment alone.
package enum Launcher {
  /// Whether a launcher that MPI can talk to started this process as one rank of a job.
  ///
  /// - Parameter variables: The environment variables of this process.
  package static func isPresent(in variables: [String: String]) -> Bool {
    variables["OMPI_COMM_WORLD_SIZE"] != nil || variables["PMIX_RANK"] != nil
  }

  /// The number of this rank as the launcher has told it; nil where there is none or it does not.
  ///
  /// - Parameter variables: The environment variables of this process.
  package static func rank(in variables: [String: String]) -> Int? {
    ["OMPI_COMM_WORLD_RANK", "PMIX_RANK"].lazy.compactMap { variables[$0].flatMap { Int($0) } }
      .first
  }

  /// Refuses to run where a launcher started several tasks that cannot find each other.
  ///
  /// Each of them would train alone, take itself for rank 0 and write into the same files. Any rank
  /// may call it, before any input is read; it does not communicate.
  ///
  /// - Parameters:
  ///   - variables: The environment variables of this process.
  ///   - worldSize: The number of ranks, when MPI runs already; nil before.
  /// - Throws: ``LaunchError``, a usage error (exit code 64).
  package static func refuseStrayTasks(
    in variables: [String: String], worldSize: Int? = nil
  ) throws(LaunchError) {
    // PMIx says that it is there before it is known whether it can connect the tasks.
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

/// A way of starting the program that cannot work: a usage error.
package struct LaunchError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, and the cure.
  package let message: String

  /// The whole message.
  package var description: String { message }
}

extension LaunchError: ExitStatusError {
  package var exitStatus: ExitStatus { .usage }
}
