import CMPI
import Glibc

/// Nonblocking operations that have not completed (MPI 3.1, section 3.7).
///
/// The set is empty again after ``wait()`` or a ``test()`` that returned true, and may be used for
/// the next operations without allocating. It must not be released while operations are active.
package final class RequestSet {
  /// The number of microseconds that an idle rank sleeps between two tests.
  private static let sleepMicroseconds: UInt32 = 100

  private let yieldsWhenIdle: Bool
  private var pending: [MPI_Request?] = []

  /// Creates an empty set.
  ///
  /// - Parameter yieldsWhenIdle: Whether ``wait()`` sleeps between tests instead of polling.
  package init(yieldsWhenIdle: Bool = false) {
    self.yieldsWhenIdle = yieldsWhenIdle
  }

  func add(_ request: MPI_Request?) {
    pending.append(request)
  }

  /// Blocks until every operation of the set is complete (`MPI_Wait`, MPI 3.1, section 3.7.3).
  package func wait() throws(MPIError) {
    while yieldsWhenIdle {
      if try test() { return }
      // An early wake-up by a signal only adds a test.
      usleep(Self.sleepMicroseconds)
    }
    for index in pending.indices {
      try mpiCheck("MPI_Wait", MPI_Wait(&pending[index], nil))
    }
    pending.removeAll(keepingCapacity: true)
  }

  /// Returns whether every operation of the set is complete; never blocks.
  ///
  /// Each call also makes progress with the operations (`MPI_Test`, MPI 3.1, section 3.7.3).
  package func test() throws(MPIError) -> Bool {
    var isDone = true
    for index in pending.indices {
      var flag: Int32 = 0
      try mpiCheck("MPI_Test", MPI_Test(&pending[index], &flag, nil))
      isDone = isDone && flag != 0
    }
    if isDone { pending.removeAll(keepingCapacity: true) }
    return isDone
  }

  /// Cancels receives that have no sender, and waits until the library has released them.
  ///
  /// Only for receives (`MPI_Cancel`, MPI 3.1, section 3.8.4): a send may be in progress.
  package func cancel() throws(MPIError) {
    for index in pending.indices where pending[index] != cmpi_request_null() {
      try mpiCheck("MPI_Cancel", MPI_Cancel(&pending[index]))
    }
    try wait()
  }
}
