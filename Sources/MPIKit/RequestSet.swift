import CMPI
import Glibc

/// Operations that were started and are not yet known to be done (MPI 3.1, section 3.7).
///
/// The set is empty again after ``wait()`` or a ``test()`` that returned true, and may be used for
/// the next operations without allocating. It must not be dropped while operations are under way.
package final class RequestSet {
  /// How long a yieldingWhenIdle rank sleeps between two looks, in microseconds.
  private static let napMicroseconds: UInt32 = 100

  private let yieldsWhenIdle: Bool
  private var pending: [MPI_Request?] = []

  /// Makes an empty set.
  ///
  /// - Parameter yieldsWhenIdle: Whether ``wait()`` sleeps between looks instead of polling.
  package init(yieldsWhenIdle: Bool = false) {
    self.yieldsWhenIdle = yieldsWhenIdle
  }

  func add(_ request: MPI_Request?) {
    pending.append(request)
  }

  /// Blocks until every operation of the set is done (`MPI_Wait`, MPI 3.1, section 3.7.3).
  package func wait() throws(MPIError) {
    while yieldsWhenIdle {
      if try test() { return }
      // An early wake-up by a signal only means one look more.
      usleep(Self.napMicroseconds)
    }
    for index in pending.indices {
      try mpiCheck("MPI_Wait", MPI_Wait(&pending[index], nil))
    }
    pending.removeAll(keepingCapacity: true)
  }

  /// Returns whether every operation of the set is done; never blocks.
  ///
  /// Each call also moves the operations on (`MPI_Test`, MPI 3.1, section 3.7.3).
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

  /// Gives up receives that nobody will ever send to, and waits until the library has let them go.
  ///
  /// Only for receives (`MPI_Cancel`, MPI 3.1, section 3.8.4): a send could be half way through.
  package func cancel() throws(MPIError) {
    for index in pending.indices where pending[index] != cmpi_request_null() {
      try mpiCheck("MPI_Cancel", MPI_Cancel(&pending[index]))
    }
    try wait()
  }
}
