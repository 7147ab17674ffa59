import Files
import MPIKit
import TensorCore

/// The collective of a job that `mpirun` started.
///
/// Buffers of ``makeSharedBuffer(count:)`` lie in the memory that the ranks of a node share, and are
/// summed there (``SharedMemoryAllReduce``); where that cannot be had, they are summed by messages
/// like all others (``MessageAllReduce``), more slowly and with the same bits.
package final class MPICollective: Collective {
  /// This process's place among the ranks, from 0.
  package var rank: Int { whole.rank }

  /// How many ranks there are.
  package var size: Int { whole.size }

  /// Which ranks share a node.
  package let layout: NodeLayout

  /// What made this collective slower than it could be, each with its cure.
  package private(set) var warnings: [String] = []

  private let whole: Communicator
  private let floats: MessageAllReduce<Float>
  private let doubles: MessageAllReduce<Double>
  private let synchronizer: SharedMemoryAllReduce?
  private let windowDirectory: String

  /// Joins the ranks of a communicator.
  ///
  /// Collective over `communicator`.
  ///
  /// - Parameters:
  ///   - communicator: Duplicated, so that it stays free for other uses.
  ///   - yieldsWhenIdle: Whether waiting ranks sleep, because ranks outnumber cores; the same everywhere.
  package convenience init(
    over communicator: Communicator, yieldsWhenIdle: Bool = false
  ) throws(MPIError) {
    try self.init(over: communicator, yieldsWhenIdle: yieldsWhenIdle, ranksPerNode: nil)
  }

  /// Joins the ranks of a communicator under conditions that one machine does not offer.
  ///
  /// - Parameters:
  ///   - ranksPerNode: Pretend that a node holds so many consecutive ranks; nil asks MPI.
  ///   - windowDirectory: The folder that must have room for shared memory.
  init(
    over communicator: Communicator, yieldsWhenIdle: Bool = false, ranksPerNode: Int?,
    windowDirectory: String = SharedMemoryWindow.backingDirectory
  ) throws(MPIError) {
    whole = try communicator.duplicate(yieldingWhenIdle: yieldsWhenIdle)
    layout = try NodeLayout(of: whole, ranksPerNode: ranksPerNode)
    floats = MessageAllReduce(over: whole)
    doubles = MessageAllReduce(over: whole)
    synchronizer = try Self.makeSynchronizer(whole, layout)
    self.windowDirectory = windowDirectory
  }

  private static func makeSynchronizer(
    _ whole: Communicator, _ layout: NodeLayout
  ) throws(MPIError) -> SharedMemoryAllReduce? {
    guard layout.isNested, layout.node.size > 1 else { return nil }
    guard layout.nodeCount > 1 else {
      return SharedMemoryAllReduce(node: layout.node, column: nil)
    }
    let column = try whole.split(color: layout.node.rank, key: whole.rank)
    return SharedMemoryAllReduce(node: layout.node, column: column)
  }

  /// Replaces every rank's buffer by the sum in tree order, by messages.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
    try floats.sum(buffer)
  }

  /// Replaces every rank's buffer by the sum in tree order, by messages.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Double>) throws {
    try doubles.sum(buffer)
  }

  /// Replaces every rank's buffer by the sum in an order of the library's choice (`MPI_Allreduce`);
  /// for comparison.
  package func allReduceInAnyOrder(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
    try whole.allReduce(buffer, .sum)
  }

  /// Replaces every rank's buffer by the sum (`MPI_Allreduce`).
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try whole.allReduce(buffer, .sum)
  }

  /// Replaces every rank's buffer by the maximum (`MPI_Allreduce`).
  package func allReduceMax(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try whole.allReduce(buffer, .maximum)
  }

  /// Copies the root's bytes over everyone else's (`MPI_Bcast`).
  package func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try whole.broadcast(buffer.bindMemory(to: UInt8.self), from: root)
  }

  /// Collects bytes of any length from every rank on the root (`MPI_Gatherv`).
  package func gather(_ bytes: [UInt8], to root: Int) throws -> [[UInt8]] {
    let counts = try whole.allGather([Int64(bytes.count)]).map(Int.init)
    var all = [UInt8](repeating: 0, count: rank == root ? counts.reduce(0, +) : 0)
    try all.withUnsafeMutableBufferPointer { target in
      try bytes.withUnsafeBufferPointer { source in
        try whole.gather(source, counts: counts, into: target, to: root)
      }
    }
    guard rank == root else { return [] }
    var rest = all[...]
    return counts.map { count in
      defer { rest = rest.dropFirst(count) }
      return [UInt8](rest.prefix(count))
    }
  }

  /// Waits until every rank has come here (`MPI_Barrier`).
  package func barrier() throws {
    try whole.barrier()
  }

  /// Returns a zeroed buffer in the memory that the ranks of the node share, where there is room.
  package func makeSharedBuffer(count: Int) throws -> SharedBuffer {
    guard synchronizer != nil else {
      if layout.nodeCount < size { warnings.append(Self.notNested) }
      return SharedBuffer(count: count)
    }
    let bytes = count * MemoryLayout<Float>.stride
    // A folder that cannot be looked at has no room; the warning below names it.
    let free = (try? FileSystem.freeBytes(at: windowDirectory)) ?? 0
    let window = try SharedMemoryWindow.allocate(
      bytesPerRank: bytes, on: layout.node, freeBytes: free)
    // One node without room makes all nodes go by messages: they must take the same path.
    guard try whole.allReduce(value: Int64(window == nil ? 0 : 1), .minimum) == 1, let window
    else {
      try window?.free()
      warnings.append(noRoom(for: bytes * layout.node.size))
      return SharedBuffer(count: count)
    }
    return SharedBuffer(count: count, window: window, rank: layout.node.rank)
  }

  /// Replaces every rank's elements by the sum in tree order.
  package func allReduceSum(_ buffer: SharedBuffer) throws {
    if let window = buffer.window, let synchronizer {
      try synchronizer.sum(buffer, in: window)
    } else {
      try floats.sum(buffer.elements)
    }
  }

  /// Replaces this rank's shard by the sum in tree order.
  package func reduceScatter(_ buffer: SharedBuffer) throws {
    if let window = buffer.window, let synchronizer, layout.nodeCount == 1 {
      try synchronizer.reduceScatter(buffer, in: window)
    } else {
      try floats.reduceScatter(buffer.elements)
    }
  }

  /// Copies each rank's shard to all ranks.
  package func allGather(_ buffer: SharedBuffer) throws {
    if let window = buffer.window, let synchronizer, layout.nodeCount == 1 {
      try synchronizer.allGather(buffer, in: window)
    } else {
      try floats.allGather(buffer.elements)
    }
  }

  private static let notNested =
    "the nodes do not hold equal runs of consecutive ranks whose length is a power of two, so "
    + "gradients are summed by messages even inside a node. Start 1, 2, 4, 8, ... ranks a node, "
    + "with mpirun --map-by slot."

  private func noRoom(for bytes: Int) -> String {
    "\(windowDirectory) has no room for \(bytes >> 20) MiB on some node, so "
      + "gradients are summed by messages. Give it more room (docker run --shm-size, or an "
      + "emptyDir of medium Memory mounted there)."
  }
}
