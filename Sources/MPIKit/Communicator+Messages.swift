import CMPI

extension Communicator {
  /// Sends a buffer to one rank, which must ``receive(_:from:tag:)`` the same count.
  ///
  /// May block until the receiver has come (`MPI_Send`, MPI 3.1, section 3.2.1), so two ranks that
  /// swap buffers start their messages instead.
  package func send<Scalar: MPIScalar>(
    _ buffer: UnsafeBufferPointer<Scalar>, to destination: Int, tag: Int32
  ) throws(MPIError) {
    let requests = RequestSet(yieldsWhenIdle: yieldsWhenIdle)
    try startSend(buffer, to: destination, tag: tag, in: requests)
    try requests.wait()
  }

  /// Receives a buffer that one rank sends with the same tag.
  ///
  /// Blocks until the whole buffer is there (`MPI_Recv`, MPI 3.1, section 3.2.4).
  package func receive<Scalar: MPIScalar>(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, from source: Int, tag: Int32
  ) throws(MPIError) {
    let requests = RequestSet(yieldsWhenIdle: yieldsWhenIdle)
    try startReceive(buffer, from: source, tag: tag, in: requests)
    try requests.wait()
  }

  /// Starts to send a buffer and returns at once.
  ///
  /// The buffer must live, unchanged, until the requests are done (`MPI_Isend`, MPI 3.1, section
  /// 3.7.2).
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

  /// Starts to send a buffer and returns at once; it is done only when the receiver has taken it.
  ///
  /// Who starts the next one after that has never more than one message under way, however long the
  /// receiver sleeps (`MPI_Issend`, MPI 3.1, section 3.7.2). The buffer must live, unchanged, until
  /// the requests are done, and hold no more than a call may carry.
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
  /// The buffer must live, untouched, until the requests are done (`MPI_Irecv`, MPI 3.1, section
  /// 3.7.2).
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
