import CMPI

extension Communicator {
  /// Blocks until every rank has called it.
  ///
  /// Collective (`MPI_Barrier`, MPI 3.1, section 5.3).
  package func barrier() throws(MPIError) {
    if yieldsWhenIdle {
      let arrival = RequestSet(yieldsWhenIdle: true)
      try startBarrier(in: arrival)
      try arrival.wait()
    } else {
      try mpiCheck("MPI_Barrier", MPI_Barrier(handle))
    }
  }

  /// Replaces the buffer of every rank by that of the root.
  ///
  /// Collective (`MPI_Bcast`, MPI 3.1, section 5.4). All buffers have the same count.
  package func broadcast<Scalar: MPIScalar>(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, from root: Int
  ) throws(MPIError) {
    try sleepUntilAllArrive()
    for chunk in chunks(of: buffer.count) {
      let part = UnsafeMutableBufferPointer(rebasing: buffer[chunk])
      try mpiCheck(
        "MPI_Bcast",
        MPI_Bcast(
          part.baseAddress, Int32(part.count), Scalar.mpiDatatype.handle, Int32(root), handle))
    }
  }

  /// Replaces every rank's buffer by the elementwise reduction of all of them.
  ///
  /// Collective (`MPI_Allreduce`, MPI 3.1, section 5.9.6). All buffers have the same count. The
  /// library chooses the order of a floating-point sum by count and rank count.
  package func allReduce<Scalar: MPIScalar>(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, _ reduction: MPIReduction
  ) throws(MPIError) {
    try sleepUntilAllArrive()
    for chunk in chunks(of: buffer.count) {
      let part = UnsafeMutableBufferPointer(rebasing: buffer[chunk])
      try mpiCheck(
        "MPI_Allreduce",
        MPI_Allreduce(
          cmpi_in_place(), part.baseAddress, Int32(part.count), Scalar.mpiDatatype.handle,
          reduction.handle, handle))
    }
  }

  /// Returns the reduction of one value per rank.
  ///
  /// Collective, as ``allReduce(_:_:)``.
  package func allReduce<Scalar: MPIScalar>(
    value: Scalar, _ reduction: MPIReduction
  ) throws(MPIError) -> Scalar {
    var value = value
    try withBuffer(of: &value) { (buffer) throws(MPIError) in
      try allReduce(buffer, reduction)
    }
    return value
  }

  /// Starts ``barrier()`` and returns at once.
  ///
  /// Every rank must start it in the same order; it never blocks (`MPI_Ibarrier`, MPI 3.1, section
  /// 5.12.1). The requests are done when every rank has started it.
  package func startBarrier(in requests: RequestSet) throws(MPIError) {
    var request: MPI_Request?
    try mpiCheck("MPI_Ibarrier", MPI_Ibarrier(handle, &request))
    requests.add(request)
  }

  /// On a communicator that yields when idle, sleeps until all ranks have called it, so that the
  /// collective after it does not poll.
  func sleepUntilAllArrive() throws(MPIError) {
    if yieldsWhenIdle && size > 1 { try barrier() }
  }
}

/// Calls `body` with a buffer of one element.
func withBuffer<Scalar>(
  of value: inout Scalar,
  _ body: (UnsafeMutableBufferPointer<Scalar>) throws(MPIError) -> Void
) throws(MPIError) {
  try withUnsafeMutablePointer(to: &value) { (pointer) throws(MPIError) in
    try body(UnsafeMutableBufferPointer(start: pointer, count: 1))
  }
}
