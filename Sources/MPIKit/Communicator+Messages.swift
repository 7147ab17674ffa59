import CMPI

extension Communicator {
  /// Sends a buffer to one rank, which must ``receive(_:from:tag:)`` the same count.
  ///
  /// May block until the receive is posted (`MPI_Send`, MPI 3.1, section 3.2.1), so two ranks that
  /// swap buffers must use ``startSend(_:to:tag:in:)``.
  package func send<Scalar: MPIScalar>(
    _ buffer: UnsafeBufferPointer<Scalar>, to destination: Int, tag: Int32
  ) throws(MPIError) {
    let requests = RequestSet(yieldsWhenIdle: yieldsWhenIdle)
    try startSend(buffer, to: destination, tag: tag, in: requests)
    try requests.wait()
  }

  /// Receives a buffer that one rank sends with the same tag.
  ///
  /// Blocks until the whole buffer has arrived (`MPI_Recv`, MPI 3.1, section 3.2.4).
  package func receive<Scalar: MPIScalar>(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, from source: Int, tag: Int32
  ) throws(MPIError) {
    let requests = RequestSet(yieldsWhenIdle: yieldsWhenIdle)
    try startReceive(buffer, from: source, tag: tag, in: requests)
    try requests.wait()
  }

  /// Starts to send a buffer and returns at once.
  ///
  /// The buffer must stay valid and unchanged until the requests are complete (`MPI_Isend`, MPI
  /// 3.1, section 3.7.2).
  package func startSend<Scalar: MPIScalar>(
    _ buffer: UnsafeBufferPointer<Scalar>, to destination: Int, tag: Int32,
    in requests: RequestSet
  ) throws(MPIError) {
    for chunk in chunks(of: buffer.count) {
      let part = UnsafeBufferPointer(rebasing: buffer[chunk])
      var request: MPI_Request?
      try mpiCheck(
        "MPI_Isend",
        MPI_Isend(
          part.baseAddress, Int32(part.count), Scalar.mpiDatatype.handle, Int32(destination), tag,
          handle, &request))
      requests.add(request)
    }
  }

  /// Starts to send a buffer and returns at once; it completes only when the receive has started.
  ///
  /// A sender that waits for completion before the next message has at most one in transit, however
  /// slow the receiver is (`MPI_Issend`, MPI 3.1, section 3.7.2). The buffer must stay valid and
  /// unchanged until the requests are complete, and must not exceed the largest count of a single
  /// call.
  package func startSynchronousSend<Scalar: MPIScalar>(
    _ buffer: UnsafeBufferPointer<Scalar>, to destination: Int, tag: Int32,
    in requests: RequestSet
  ) throws(MPIError) {
    precondition(buffer.count <= chunkLimit, "\(buffer.count) elements are too long a message")
    var request: MPI_Request?
    try mpiCheck(
      "MPI_Issend",
      MPI_Issend(
        buffer.baseAddress, Int32(buffer.count), Scalar.mpiDatatype.handle, Int32(destination),
        tag, handle, &request))
    requests.add(request)
  }

  /// Starts to receive a buffer and returns at once.
  ///
  /// The buffer must stay valid, and not be accessed, until the requests are complete (`MPI_Irecv`,
  /// MPI 3.1, section 3.7.2).
  package func startReceive<Scalar: MPIScalar>(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, from source: Int, tag: Int32,
    in requests: RequestSet
  ) throws(MPIError) {
    for chunk in chunks(of: buffer.count) {
      let part = UnsafeMutableBufferPointer(rebasing: buffer[chunk])
      var request: MPI_Request?
      try mpiCheck(
        "MPI_Irecv",
        MPI_Irecv(
          part.baseAddress, Int32(part.count), Scalar.mpiDatatype.handle, Int32(source), tag,
          handle, &request))
      requests.add(request)
    }
  }
}
