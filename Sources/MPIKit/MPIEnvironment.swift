import CMPI
import Foundation
import Synchronization

/// How freely threads may call MPI (MPI 3.1, section 12.4.3).
package enum MPIThreadLevel: Int32, Sendable, Comparable {
  case single
  case funneled
  case serialized
  case multiple

  /// Whether `left` allows less than `right`.
  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The MPI library after it was started, from which all communicators come.
package struct MPIEnvironment: Sendable {
  /// What the library grants, which may be less than what was asked for.
  package let threadLevel: MPIThreadLevel

  /// All ranks of the job.
  package let world: Communicator

  /// The seconds that a process waits for the launcher to end it.
  static let abortPatience = 5.0

  private static let isStarting = Mutex(())

  /// Starts MPI, or returns the environment of an MPI that runs already.
  ///
  /// Every rank must call it, before any other MPI call and once at the least; it blocks until all
  /// ranks have come (`MPI_Init_thread`, MPI 3.1, section 12.4.3). The thread that calls it first
  /// is MPI's main thread and the only one that may call ``finalize()``. Errors are returned as
  /// ``MPIError`` from here on; a failure inside the start itself ends the process with the
  /// library's own message.
  ///
  /// - Parameters:
  ///   - level: The thread level to ask for.
  ///   - variables: The environment variables by which ``LaunchTuning`` judges.
  ///   - node: The cores by which it judges; a control group's limit is not known to the default.
  package static func initialize(
    requesting level: MPIThreadLevel = .multiple,
    variables: [String: String] = ProcessInfo.processInfo.environment,
    node: NodeProcessors = .countedByTheSystem()
  ) throws(MPIError) -> MPIEnvironment {
    let result = isStarting.withLock { _ in
      Result { () throws(MPIError) in try start(level, variables, node) }
    }
    return try result.get()
  }

  private static func start(
    _ level: MPIThreadLevel, _ variables: [String: String], _ node: NodeProcessors
  ) throws(MPIError) -> MPIEnvironment {
    precondition(!isFinalized, "MPI cannot be started again after it was finalized")
    var granted: Int32 = 0
    if isInitialized {
      try mpiCheck("MPI_Query_thread", MPI_Query_thread(&granted))
    } else {
      LaunchTuning(variables: variables, node: node).apply()
      try mpiCheck("MPI_Init_thread", MPI_Init_thread(nil, nil, level.rawValue, &granted))
    }
    for communicator in [cmpi_comm_world(), cmpi_comm_self()] {
      try mpiCheck(
        "MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(communicator, cmpi_errors_return()))
    }
    return MPIEnvironment(
      threadLevel: MPIThreadLevel(rawValue: granted) ?? .single,
      world: try Communicator(handle: cmpi_comm_world()))
  }

  /// Ends MPI in good order (`MPI_Finalize`, MPI 3.1, section 8.7).
  ///
  /// Every rank must call it, and only when all of them succeeded: it waits for the others, so
  /// after a failure it may wait for ever, and a rank that is inside a collective while another one
  /// is in here never comes back. After a failure call ``abort(code:)``.
  package func finalize() throws(MPIError) {
    if !Self.isFinalized { try mpiCheck("MPI_Finalize", MPI_Finalize()) }
  }

  /// Ends every rank of the job at once with an exit code (`MPI_Abort`, MPI 3.1, section 8.7).
  ///
  /// Any rank may call it, from any thread and without the others. `mpirun` returns `code`. Where
  /// MPI does not run, only this process ends. Buffered output is not flushed. The call itself waits
  /// for the launcher, which may be stopped or gone, so the process ends by itself after
  /// ``abortPatience``.
  package static func abort(code: Int32) -> Never {
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: abortPatience)
      _exit(code)
    }
    if isInitialized && !isFinalized {
      // Whatever it returns, the process must end; there is nobody left to tell.
      try? mpiCheck("MPI_Abort", MPI_Abort(cmpi_comm_world(), code))
    }
    _exit(code)
  }

  /// Whether MPI was started in this process.
  package static var isInitialized: Bool { isSet("MPI_Initialized") { MPI_Initialized($0) } }

  /// Whether MPI was ended in this process.
  package static var isFinalized: Bool { isSet("MPI_Finalized") { MPI_Finalized($0) } }

  /// Asks one of the two functions that answer at any time (MPI 3.1, section 8.7).
  ///
  /// A library that cannot even answer them is not one that runs.
  private static func isSet(
    _ function: StaticString, _ call: (UnsafeMutablePointer<Int32>) -> Int32
  ) -> Bool {
    var flag: Int32 = 0
    do throws(MPIError) { try mpiCheck(function, call(&flag)) } catch { return false }
    return flag != 0
  }
}
