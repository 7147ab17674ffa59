import MPIKit
import TensorCore

/// Sums a buffer over the ranks of a communicator by messages, in the order of ``SummationTree``.
///
/// Each rank receives its shard from all others, sums it in tree order and sends the result to all
/// others. That moves as many bytes as the best general all-reduce, for any number of ranks. The
/// shards are sent in rounds of short pieces, which bounds the memory and keeps the pieces in
/// cache. A small buffer is gathered and summed by every rank instead.
final class MessageAllReduce<Scalar: MPIScalar & BinaryFloatingPoint> {
  private let communicator: Communicator
  private let tree: TreeReduction<Scalar>
  private let requests: RequestSet
  private let pieceCount: Int
  private let gatherLimit: Int
  private let scratch: UnsafeMutableBufferPointer<Scalar>
  private var parts: [UnsafeMutablePointer<Scalar>] = []

  /// Allocates memory for sums over a communicator, which must not be used for anything else.
  ///
  /// - Parameters:
  ///   - scratchCount: The largest number of elements in transit. The larger it is, the fewer are
  ///     the rounds, each of which waits twice for all ranks.
  ///   - gatherLimit: The largest number of elements, times ranks, of a buffer that is gathered.
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
      try receiveOwnPiece(of: buffer, pieces)
      sumOwnPiece(base, pieces.range(communicator.rank))
      try sendOwnPiece(of: buffer, pieces)
    }
  }

  /// Replaces this rank's shard by the sum of all ranks' elements there.
  ///
  /// Collective; all buffers have the same count.
  func reduceScatter(_ buffer: UnsafeMutableBufferPointer<Scalar>) throws(MPIError) {
    guard communicator.size > 1, let base = buffer.baseAddress else { return }
    for pieces in rounds(of: buffer.count) {
      try receiveOwnPiece(of: buffer, pieces)
      sumOwnPiece(base, pieces.range(communicator.rank))
    }
  }

  /// Copies each rank's shard to all ranks.
  ///
  /// Collective; all buffers have the same count.
  func allGather(_ buffer: UnsafeMutableBufferPointer<Scalar>) throws(MPIError) {
    guard communicator.size > 1 else { return }
    for pieces in rounds(of: buffer.count) { try sendOwnPiece(of: buffer, pieces) }
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

  /// Sends each other rank its piece of this rank's buffer, and receives this rank's piece from
  /// each.
  private func receiveOwnPiece(
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

  private func sumOwnPiece(_ base: UnsafeMutablePointer<Scalar>, _ piece: Range<Int>) {
    let own = base + piece.lowerBound
    setParts { rank in rank == communicator.rank ? own : slot(rank, of: pieceCount) }
    tree.sum(parts, over: 0..<piece.count, into: [own])
  }

  /// Sends this rank's summed piece to all other ranks, and receives theirs.
  private func sendOwnPiece(
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

  /// The other ranks in ascending order from this one, so that not all ranks send to rank 0 first.
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

/// The pieces of one round: the same part of every shard.
private struct Pieces {
  let shards: BlockShards
  let start: Int
  let length: Int

  /// The elements of a rank's piece, in the whole buffer; empty after the end of its shard.
  func range(_ rank: Int) -> Range<Int> {
    let shard = shards.range(rank)
    let lower = min(shard.lowerBound + start, shard.upperBound)
    return lower..<min(lower + length, shard.upperBound)
  }
}
