import MPIKit
import TensorCore

/// Sums a buffer over the ranks of a communicator by messages, in the order of ``SummationTree``.
///
/// Each rank owns a shard: it receives that shard from everyone, sums it in tree order and sends the
/// result to everyone. That moves as many bytes as the best general allreduce, for any number of
/// ranks. The shards are handled in rounds of short pieces, which bounds the memory and keeps the
/// pieces in cache. A buffer that is small altogether is collected whole by every rank instead.
final class MessageAllReduce<Scalar: MPIScalar & BinaryFloatingPoint> {
  private let communicator: Communicator
  private let tree: TreeReduction<Scalar>
  private let requests: RequestSet
  private let pieceCount: Int
  private let gatherLimit: Int
  private let scratch: UnsafeMutableBufferPointer<Scalar>
  private var parts: [UnsafeMutablePointer<Scalar>] = []

  /// Prepares sums over a communicator, which must not be used by anybody else meanwhile.
  ///
  /// - Parameters:
  ///   - scratchCount: How many elements may be under way at once. Many keep the rounds few, each of
  ///     which waits twice for all ranks.
  ///   - gatherLimit: Up to how many elements, times ranks, a buffer counts as small.
  init(over communicator: Communicator, scratchCount: Int = 1 << 20, gatherLimit: Int = 1 << 16) {
    self.communicator = communicator
    self.gatherLimit = gatherLimit
    pieceCount = max(FlatBlocks.elementCount, scratchCount / communicator.size)
    tree = TreeReduction(bufferCount: communicator.size)
    requests = RequestSet(yieldsWhenIdle: communicator.yieldsWhenIdle)
    scratch = .allocate(capacity: max(gatherLimit, pieceCount * communicator.size))
    scratch.initialize(repeating: 0)
    parts.reserveCapacity(communicator.size)
  }

  deinit { scratch.deallocate() }

  /// Replaces every rank's buffer by the sum of all of them.
  ///
  /// Collective; all buffers have the same count.
  func sum(_ buffer: UnsafeMutableBufferPointer<Scalar>) throws(MPIError) {
    guard communicator.size > 1, let base = buffer.baseAddress, buffer.count > 0 else { return }
    if buffer.count * communicator.size <= gatherLimit {
      return try sumByGathering(buffer, base)
    }
    for pieces in rounds(of: buffer.count) {
      try collectOwnPiece(of: buffer, pieces)
      addOwnPiece(base, pieces.range(communicator.rank))
      try spreadOwnPiece(of: buffer, pieces)
    }
  }

  /// Replaces this rank's shard by the sum of all ranks' elements there.
  ///
  /// Collective; all buffers have the same count.
  func reduceScatter(_ buffer: UnsafeMutableBufferPointer<Scalar>) throws(MPIError) {
    guard communicator.size > 1, let base = buffer.baseAddress else { return }
    for pieces in rounds(of: buffer.count) {
      try collectOwnPiece(of: buffer, pieces)
      addOwnPiece(base, pieces.range(communicator.rank))
    }
  }

  /// Copies each rank's shard to all ranks.
  ///
  /// Collective; all buffers have the same count.
  func allGather(_ buffer: UnsafeMutableBufferPointer<Scalar>) throws(MPIError) {
    guard communicator.size > 1 else { return }
    for pieces in rounds(of: buffer.count) { try spreadOwnPiece(of: buffer, pieces) }
  }

  private func rounds(of count: Int) -> some Sequence<Pieces> {
    let shards = BlockShards(count: count, shardCount: communicator.size)
    return stride(from: 0, to: shards.longest, by: pieceCount).lazy.map { [pieceCount] start in
      Pieces(shards: shards, start: start, length: pieceCount)
    }
  }

  private func sumByGathering(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, _ base: UnsafeMutablePointer<Scalar>
  ) throws(MPIError) {
    let whole = UnsafeMutableBufferPointer(
      rebasing: scratch[..<(buffer.count * communicator.size)])
    try communicator.allGather(UnsafeBufferPointer(buffer), into: whole)
    setParts { rank in slot(rank, of: buffer.count) }
    tree.sum(parts, over: 0..<buffer.count, into: [base])
  }

  /// Sends everyone their piece of this rank's buffer, and receives this rank's from everyone.
  private func collectOwnPiece(
    of buffer: UnsafeMutableBufferPointer<Scalar>, _ pieces: Pieces
  ) throws(MPIError) {
    let own = pieces.range(communicator.rank).count
    for other in others {
      let target = UnsafeMutableBufferPointer(start: slot(other, of: pieceCount), count: own)
      try communicator.startReceive(target, from: other, tag: 0, in: requests)
    }
    for other in others {
      let source = UnsafeBufferPointer(rebasing: buffer[pieces.range(other)])
      try communicator.startSend(source, to: other, tag: 0, in: requests)
    }
    try requests.wait()
  }

  private func addOwnPiece(_ base: UnsafeMutablePointer<Scalar>, _ piece: Range<Int>) {
    let own = base + piece.lowerBound
    setParts { rank in rank == communicator.rank ? own : slot(rank, of: pieceCount) }
    tree.sum(parts, over: 0..<piece.count, into: [own])
  }

  /// Sends everyone this rank's finished piece, and receives theirs.
  private func spreadOwnPiece(
    of buffer: UnsafeMutableBufferPointer<Scalar>, _ pieces: Pieces
  ) throws(MPIError) {
    let own = UnsafeBufferPointer(rebasing: buffer[pieces.range(communicator.rank)])
    for other in others {
      let target = UnsafeMutableBufferPointer(rebasing: buffer[pieces.range(other)])
      try communicator.startReceive(target, from: other, tag: 1, in: requests)
    }
    for other in others {
      try communicator.startSend(own, to: other, tag: 1, in: requests)
    }
    try requests.wait()
  }

  /// The other ranks, nearest above first, so that not all ranks turn to rank 0 at once.
  private var others: some Sequence<Int> {
    let (rank, size) = (communicator.rank, communicator.size)
    return (1..<size).lazy.map { (rank + $0) % size }
  }

  private func slot(_ rank: Int, of length: Int) -> UnsafeMutablePointer<Scalar> {
    guard let base = scratch.baseAddress else { preconditionFailure("scratch was not allocated") }
    return base + rank * length
  }

  private func setParts(_ part: (Int) -> UnsafeMutablePointer<Scalar>) {
    parts.removeAll(keepingCapacity: true)
    for rank in 0..<communicator.size { parts.append(part(rank)) }
  }
}

/// The pieces of one round: the same stretch of every shard.
private struct Pieces {
  let shards: BlockShards
  let start: Int
  let length: Int

  /// The elements of a rank's piece, in the whole buffer; empty where its shard has ended.
  func range(_ rank: Int) -> Range<Int> {
    let shard = shards.range(rank)
    let lower = min(shard.lowerBound + start, shard.upperBound)
    return lower..<min(lower + length, shard.upperBound)
  }
}
