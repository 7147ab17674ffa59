import CMPI
import Glibc

/// Memory of a node in which each rank has a part that all ranks can access (MPI 3.1, section
/// 11.2.3).
///
/// A rank may write to any part. The others see the writes after all of them have called
/// ``synchronize()``; between two such calls no byte may be written by one rank and accessed by
/// another.
package final class SharedMemoryWindow: @unchecked Sendable {
  /// The part of each rank of the node, in rank order, each at the start of a page.
  package let parts: [UnsafeMutableRawPointer]

  /// The length of each part in bytes, rounded up to whole pages.
  package let bytesPerRank: Int

  private let communicator: Communicator
  private let handle: MPI_Win

  private static let pageBytes = 4096

  /// Returns zeroed shared memory; nil if the node has not enough.
  ///
  /// Collective over `node`; all ranks get the same result (`MPI_Win_allocate_shared`). The free
  /// space is checked first because Open MPI 4.1 fails on one rank and blocks the others for ever
  /// if its backing file does not fit.
  ///
  /// - Parameters:
  ///   - bytesPerRank: The length of each rank's part in bytes, the same on all ranks.
  ///   - node: A communicator whose ranks are all on this node, for instance
  ///     ``Communicator/splitByNode()``.
  ///   - freeBytes: The number of free bytes in ``backingDirectory``.
  package static func allocate(
    bytesPerRank: Int, on node: Communicator, freeBytes: Int
  ) throws(MPIError) -> SharedMemoryWindow? {
    let bytes = max(1, (bytesPerRank + pageBytes - 1) / pageBytes) * pageBytes
    // A tenth more, and some for the segments of the library.
    let fits = freeBytes >= (bytes + pageBytes) * node.size / 10 * 11 + (4 << 20)
    guard try node.allReduce(value: Int64(fits ? 1 : 0), .minimum) == 1 else { return nil }
    return try SharedMemoryWindow(bytesPerRank: bytes, on: node)
  }

  private init(bytesPerRank: Int, on node: Communicator) throws(MPIError) {
    var window: MPI_Win?
    var own: UnsafeMutableRawPointer?
    try mpiCheck(
      "MPI_Win_allocate_shared",
      MPI_Win_allocate_shared(
        bytesPerRank + Self.pageBytes, 1, cmpi_info_null(), node.handle, &own, &window))
    guard let window else {
      preconditionFailure("MPI reported success and returned no window")
    }
    try mpiCheck(
      "MPI_Win_set_errhandler", MPI_Win_set_errhandler(window, cmpi_errors_return()))
    // One epoch for the lifetime of the window: only loads, stores and `synchronize` follow.
    try mpiCheck("MPI_Win_lock_all", MPI_Win_lock_all(Int32(MPI_MODE_NOCHECK), window))
    handle = window
    communicator = node
    self.bytesPerRank = bytesPerRank
    parts = try Self.parts(of: window, count: node.size)
    // The first access of a page decides its memory controller, so each rank clears its own part.
    parts[node.rank].initializeMemory(as: UInt8.self, repeating: 0, count: bytesPerRank)
    try synchronize()
  }

  private static func parts(
    of window: MPI_Win, count: Int
  ) throws(MPIError) -> [UnsafeMutableRawPointer] {
    var parts: [UnsafeMutableRawPointer] = []
    for rank in 0..<count {
      var base: UnsafeMutableRawPointer?
      var size = MPI_Aint()
      var unit: Int32 = 0
      try mpiCheck(
        "MPI_Win_shared_query",
        MPI_Win_shared_query(window, Int32(rank), &size, &unit, &base))
      guard let base else { preconditionFailure("rank \(rank) has no part of the window") }
      // Open MPI places a header before the first part, which shifts all parts equally.
      parts.append(base.alignedUp(toMultipleOf: pageBytes))
    }
    return parts
  }

  /// Makes the writes of all ranks visible to all.
  ///
  /// Collective over the node; blocks until every rank has called it (`MPI_Win_sync` around a
  /// barrier, MPI 3.1, example 11.21).
  package func synchronize() throws(MPIError) {
    try mpiCheck("MPI_Win_sync", MPI_Win_sync(handle))
    try communicator.barrier()
    try mpiCheck("MPI_Win_sync", MPI_Win_sync(handle))
  }

  /// Frees the memory; neither the window nor its pointers may be used again.
  ///
  /// Collective over the node (`MPI_Win_free`, MPI 3.1, section 11.2.5). A window that is never
  /// freed exists until the process ends and leaves no file.
  package func free() throws(MPIError) {
    var handle: MPI_Win? = handle
    try mpiCheck("MPI_Win_unlock_all", MPI_Win_unlock_all(self.handle))
    try mpiCheck("MPI_Win_free", MPI_Win_free(&handle))
  }

  /// The folder of the file that backs a window.
  package static var backingDirectory: String {
    guard let value = getenv("OMPI_MCA_osc_sm_backing_directory") else { return "/dev/shm" }
    return String(cString: value)
  }
}
