import CMPI
import Foundation
import Synchronization

/// The level of thread support (MPI 3.1, section 12.4.3).
package enum MPIThreadLevel: Int32, Sendable, Comparable {
  case single
  case funneled
  case serialized
  case multiple

  /// Whether `left` is the lower level.
  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The MPI library after its initialization.
package struct MPIEnvironment: Sendable {
  /// The level that the library provides, which may be lower than requested.
  package let threadLevel: MPIThreadLevel

  /// All ranks of the job.
  package let world: Communicator

  /// The number of seconds that a process waits for the launcher to end it.
  static let abortTimeout = 5.0

  private static let isStarting = Mutex(())

  /// Initializes MPI, or returns the environment of an initialized MPI.
  ///
  /// Every rank must call it before any other MPI call; it blocks until all ranks have
  /// (`MPI_Init_thread`, MPI 3.1, section 12.4.3). The thread that calls it first is MPI's main
  /// thread and the only one that may call ``finalize()``. From then on, errors are thrown as
  /// ``MPIError``; a failure of the initialization itself ends the process with a message of the
  /// library.
  ///
  /// - Parameters:
  ///   - level: The requested thread level.
  ///   - variables: The environment variables for ``LaunchTuning``.
  ///   - node: The cores for ``LaunchTuning``; the default does not include the limit of a control
  ///     group.
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

  /// Finalizes MPI (`MPI_Finalize`, MPI 3.1, section 8.7).
  ///
  /// Every rank must call it, and only if all of them succeeded: it waits for the others, so after
  /// a failure it may block for ever, as may a collective of another rank. After a failure call
  /// ``abort(code:)``.
  package func finalize() throws(MPIError) {
    if !Self.isFinalized { try mpiCheck("MPI_Finalize", MPI_Finalize()) }
  }

  /// Ends every rank of the job at once with an exit code (`MPI_Abort`, MPI 3.1, section 8.7).
  ///
  /// Any rank may call it, on any thread. `mpirun` returns `code`. If MPI is not initialized, only
  /// this process ends. Buffered output is not flushed. The call waits for the launcher, which may
  /// be stopped or dead, so the process ends by itself after ``abortTimeout``.
  package static func abort(code: Int32) -> Never {
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: abortTimeout)
      _exit(code)
    }
    if isInitialized && !isFinalized {
      // The process ends whether the call succeeds or not.
      try? mpiCheck("MPI_Abort", MPI_Abort(cmpi_comm_world(), code))
    }
    _exit(code)
  }

  /// Whether MPI was initialized in this process.
  package static var isInitialized: Bool { isSet("MPI_Initialized") { MPI_Initialized($0) } }

  /// Whether MPI was finalized in this process.
  package static var isFinalized: Bool { isSet("MPI_Finalized") { MPI_Finalized($0) } }

  /// Calls one of the two functions that are allowed at any time (MPI 3.1, section 8.7).
  ///
  /// A library that fails here counts as not initialized.
  private static func isSet(
    _ function: StaticString, _ call: (UnsafeMutablePointer<Int32>) -> Int32
  ) -> Bool {
    var flag: Int32 = 0
    do throws(MPIError) { try mpiCheck(function, call(&flag)) } catch { return false }
    return flag != 0
  }
}
