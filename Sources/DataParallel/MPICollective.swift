import Files
import MPIKit
import TensorCore

/// The collective of a job that a launcher started.
///
/// Buffers of ``makeSharedBuffer(count:)`` are in memory that the ranks of a node share, and are
/// summed there (``SharedMemoryAllReduce``). Where it cannot be allocated, they are summed by
/// messages like all others (``MessageAllReduce``), more slowly and with the same bits.
package final class MPICollective: Collective {
  /// The rank of this process, from 0.
  package var rank: Int { whole.rank }

  /// The number of ranks.
  package var size: Int { whole.size }

  /// Which ranks share a node.
  package let layout: NodeLayout

  /// The reasons why this collective is slower than it could be, each with its cure.
  package private(set) var warnings: [String] = []

  private let whole: Communicator
  private let floats: MessageAllReduce<Float>
  private let doubles: MessageAllReduce<Double>
  private let sharedMemory: SharedMemoryAllReduce?
  private let windowDirectory: String

  /// Makes a collective of the ranks of a communicator.
  ///
  /// Collective over `communicator`.
  ///
  /// - Parameters:
  ///   - communicator: The ranks; it is duplicated.
  ///   - yieldsWhenIdle: Whether waiting ranks sleep, because ranks outnumber cores; the same on
  ///     all ranks.
  package convenience init(
    over communicator: Communicator, yieldsWhenIdle: Bool = false
  ) throws(MPIError) {
    try self.init(over: communicator, yieldsWhenIdle: yieldsWhenIdle, ranksPerNode: nil)
  }

  /// Makes a collective with a simulated layout of nodes, for tests on one machine.
  ///
  /// - Parameters:
  ///   - ranksPerNode: The number of consecutive ranks that count as a node; nil for the real
  ///     layout.
  ///   - windowDirectory: The folder whose free space limits shared memory.
  init(
    over communicator: Communicator, yieldsWhenIdle: Bool = false, ranksPerNode: Int?,
    windowDirectory: String = SharedMemoryWindow.backingDirectory
  ) throws(MPIError) {
    whole = try communicator.duplicate(yieldingWhenIdle: yieldsWhenIdle)
    layout = try NodeLayout(of: whole, ranksPerNode: ranksPerNode)
    floats = MessageAllReduce(over: whole)
    doubles = MessageAllReduce(over: whole)
    sharedMemory = try Self.makeSharedMemory(whole, layout)
    self.windowDirectory = windowDirectory
  }

  private static func makeSharedMemory(
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

  /// Replaces every rank's buffer by the sum in an order that the library chooses
  /// (`MPI_Allreduce`); for benchmarks.
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

  /// Replaces the bytes of every rank by those of the root (`MPI_Bcast`).
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

  /// Blocks until every rank has called it (`MPI_Barrier`).
  package func barrier() throws {
    try whole.barrier()
  }

  /// Returns a zeroed buffer in memory that the ranks of the node share, if there is room.
  package func makeSharedBuffer(count: Int) throws -> SharedBuffer {
    guard sharedMemory != nil else {
      if layout.nodeCount < size { warnings.append(Self.notNested) }
      return SharedBuffer(count: count)
    }
    let bytes = count * MemoryLayout<Float>.stride
    // A folder that cannot be read counts as full; the warning below names it.
    let free = (try? FileSystem.freeBytes(at: windowDirectory)) ?? 0
    let window = try SharedMemoryWindow.allocate(
      bytesPerRank: bytes, on: layout.node, freeBytes: free)
    // If one node has no room, all nodes use messages: they must make the same calls.
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
    if let window = buffer.window, let sharedMemory {
      try sharedMemory.sum(buffer, in: window)
    } else {
      try floats.sum(buffer.elements)
    }
  }

  /// Replaces this rank's shard by the sum in tree order.
  package func reduceScatter(_ buffer: SharedBuffer) throws {
    if let window = buffer.window, let sharedMemory, layout.nodeCount == 1 {
      try sharedMemory.reduceScatter(buffer, in: window)
    } else {
      try floats.reduceScatter(buffer.elements)
    }
  }

  /// Copies each rank's shard to all ranks.
  package func allGather(_ buffer: SharedBuffer) throws {
    if let window = buffer.window, let sharedMemory, layout.nodeCount == 1 {
      try sharedMemory.allGather(buffer, in: window)
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
