import CMPI

/// A group of ranks with a communication context of its own (MPI 3.1, chapter 6).
///
/// Every method marked *collective* must be called by all ranks of the communicator, in the same
/// order and with the same counts, and blocks until this rank's part is done. A method may be
/// called from any thread when ``MPIEnvironment/threadLevel`` is `multiple`, but two collectives
/// on one communicator must not run at once: give each thread a ``duplicate(yieldingWhenIdle:)``.
package final class Communicator: @unchecked Sendable {
  /// The rank of this process in the group, from 0.
  package let rank: Int

  /// The number of ranks of the group.
  package let size: Int

  /// Whether a waiting rank sleeps between tests instead of polling.
  ///
  /// Polling reacts within a microsecond, but takes a core from other ranks where ranks outnumber
  /// cores. All ranks of a communicator have the same value.
  package let yieldsWhenIdle: Bool

  let handle: MPI_Comm

  /// The largest count of a single call; MPI 3.1 counts in 32 bits.
  let chunkLimit: Int

  /// Wraps a handle, which must be valid.
  init(
    handle: MPI_Comm?, yieldsWhenIdle: Bool = false, chunkLimit: Int = Int(Int32.max)
  ) throws(MPIError) {
    guard let handle else {
      preconditionFailure("MPI reported success and returned no communicator")
    }
    var rank: Int32 = 0
    var size: Int32 = 0
    try mpiCheck("MPI_Comm_rank", MPI_Comm_rank(handle, &rank))
    try mpiCheck("MPI_Comm_size", MPI_Comm_size(handle, &size))
    self.handle = handle
    self.rank = Int(rank)
    self.size = Int(size)
    self.yieldsWhenIdle = yieldsWhenIdle
    self.chunkLimit = chunkLimit
  }

  /// Returns a communicator of the same ranks with a communication context of its own.
  ///
  /// Collective (`MPI_Comm_dup`, MPI 3.1, section 6.4.2).
  package func duplicate(yieldingWhenIdle: Bool? = nil) throws(MPIError) -> Communicator {
    try duplicate(yieldingWhenIdle: yieldingWhenIdle, chunkLimit: chunkLimit)
  }

  /// Returns a duplicate that divides buffers into chunks of at most `chunkLimit` elements.
  func duplicate(yieldingWhenIdle: Bool? = nil, chunkLimit: Int) throws(MPIError) -> Communicator {
    var copy: MPI_Comm?
    try mpiCheck("MPI_Comm_dup", MPI_Comm_dup(handle, &copy))
    return try Communicator(
      handle: copy, yieldsWhenIdle: yieldingWhenIdle ?? yieldsWhenIdle, chunkLimit: chunkLimit)
  }

  /// Returns the communicator of all ranks that give the same color, ordered by `key`, then rank.
  ///
  /// Collective (`MPI_Comm_split`, MPI 3.1, section 6.4.2).
  ///
  /// - Parameter color: 0 or more.
  package func split(color: Int, key: Int) throws(MPIError) -> Communicator {
    var part: MPI_Comm?
    try mpiCheck("MPI_Comm_split", MPI_Comm_split(handle, Int32(color), Int32(key), &part))
    return try Communicator(handle: part, yieldsWhenIdle: yieldsWhenIdle, chunkLimit: chunkLimit)
  }

  /// Returns the communicator of the ranks that can share memory with this one: those on its node.
  ///
  /// Collective (`MPI_Comm_split_type`, MPI 3.1, section 6.4.2). Ranks keep their order.
  package func splitByNode() throws(MPIError) -> Communicator {
    var part: MPI_Comm?
    try mpiCheck(
      "MPI_Comm_split_type",
      MPI_Comm_split_type(
        handle, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), cmpi_info_null(), &part))
    return try Communicator(handle: part, yieldsWhenIdle: yieldsWhenIdle, chunkLimit: chunkLimit)
  }

  /// Frees the communicator; it must not be used again.
  ///
  /// Collective (`MPI_Comm_free`, MPI 3.1, section 6.4.3). There is no `deinit` that does this,
  /// because ranks release an object at different times, and not at all after a failure.
  package func free() throws(MPIError) {
    var handle: MPI_Comm? = handle
    try mpiCheck("MPI_Comm_free", MPI_Comm_free(&handle))
  }

  /// Ranges of at most `chunkLimit` elements that cover `0..<count`; none for an empty buffer.
  func chunks(of count: Int) -> some Sequence<Range<Int>> {
    let limit = chunkLimit
    return stride(from: 0, to: count, by: limit).lazy.map { $0..<min($0 + limit, count) }
  }
}
