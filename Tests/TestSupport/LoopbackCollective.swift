import DataParallel
import Foundation
import TensorCore

/// One of `n` ranks that are threads of one process.
///
/// It gives the bits that MPI gives at `n` ranks, without MPI: for tests, and for checks that a
/// result does not depend on the rank count. A rank that throws, returns early, or calls another
/// method than the rest ends the wait of all others with a ``PeerError``.
package final class LoopbackCollective: Collective {
  /// This thread's place among the ranks, from 0.
  package let rank: Int

  /// How many ranks there are.
  package var size: Int { rendezvous.size }

  private let rendezvous: LoopbackRendezvous

  private init(rank: Int, rendezvous: LoopbackRendezvous) {
    self.rank = rank
    self.rendezvous = rendezvous
  }

  /// Runs a function on every rank, each on a thread of its own, and waits for all of them.
  ///
  /// - Parameters:
  ///   - size: The number of ranks, 1 or more.
  ///   - body: What each rank does.
  /// - Returns: What each rank returned, in rank order.
  /// - Throws: The first error that a rank threw by itself.
  package static func run<Result: Sendable>(
    ranks size: Int, _ body: @escaping @Sendable (LoopbackCollective) throws -> Result
  ) throws -> [Result] {
    let rendezvous = LoopbackRendezvous(size: size)
    let results = LoopbackResults<Result>()
    for rank in 0..<size {
      let thread = Thread {
        do {
          let value = try body(LoopbackCollective(rank: rank, rendezvous: rendezvous))
          results.set(value, for: rank)
          rendezvous.leave(rank, because: nil)
        } catch {
          rendezvous.leave(rank, because: error)
        }
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    try rendezvous.waitUntilEmpty()
    return results.ordered
  }

  /// Replaces every rank's buffer by the sum in tree order.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
    try sumInTree(buffer, "sum of Float")
  }

  /// Replaces every rank's buffer by the sum in tree order.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Double>) throws {
    try sumInTree(buffer, "sum of Double")
  }

  /// Replaces every rank's buffer by the sum.
  package func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try combine(buffer, "sum of Int64") { $0 &+ $1 }
  }

  /// Replaces every rank's buffer by the maximum.
  package func allReduceMax(_ buffer: UnsafeMutableBufferPointer<Int64>) throws {
    try combine(buffer, "maximum of Int64") { max($0, $1) }
  }

  /// Copies the root's bytes over everyone else's.
  package func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try meet("broadcast from \(root)", buffer) { all in
      for target in all where target.baseAddress != all[root].baseAddress {
        target.copyMemory(from: UnsafeRawBufferPointer(all[root]))
      }
    }
  }

  /// Collects bytes of any length from every rank on the root.
  package func gather(_ bytes: [UInt8], to root: Int) throws -> [[UInt8]] {
    var bytes = bytes
    var result: [[UInt8]] = []
    try bytes.withUnsafeMutableBytes { own in
      // Everyone reads in a first rendezvous; nobody's bytes go away before the second.
      let all = try rendezvous.meet(rank, "gather to \(root)", own, countMatters: false) { _ in }
      if rank == root { result = all.map { [UInt8]($0) } }
      try barrier()
    }
    return result
  }

  /// Waits until every rank has come here.
  package func barrier() throws {
    try meet("barrier", UnsafeMutableRawBufferPointer(start: nil, count: 0)) { _ in }
  }

  /// Returns zeroed memory of this rank.
  package func makeSharedBuffer(count: Int) throws -> SharedBuffer {
    SharedBuffer(count: count)
  }

  /// Replaces every rank's elements by the sum in tree order.
  package func allReduceSum(_ buffer: SharedBuffer) throws {
    try allReduceSum(buffer.elements)
  }

  /// Replaces this rank's shard by the sum in tree order.
  package func reduceScatter(_ buffer: SharedBuffer) throws {
    try allReduceSum(buffer)
  }

  /// Copies each rank's shard to all ranks.
  package func allGather(_ buffer: SharedBuffer) throws {
    let shards = BlockShards(count: buffer.count, shardCount: size)
    try meet("allgather", UnsafeMutableRawBufferPointer(buffer.elements)) { all in
      let parts = all.map { $0.bindMemory(to: Float.self) }
      for (owner, part) in parts.enumerated() {
        for target in parts where target.baseAddress != part.baseAddress {
          for index in shards.range(owner) { target[index] = part[index] }
        }
      }
    }
  }

  private func sumInTree<Scalar: BinaryFloatingPoint>(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, _ operation: String
  ) throws {
    try meet(operation, UnsafeMutableRawBufferPointer(buffer)) { all in
      let parts = all.compactMap { $0.bindMemory(to: Scalar.self).baseAddress }
      guard parts.count == all.count else { return }
      TreeReduction(bufferCount: parts.count).sum(parts, over: 0..<buffer.count, into: parts)
    }
  }

  private func combine(
    _ buffer: UnsafeMutableBufferPointer<Int64>, _ operation: String,
    _ combine: (Int64, Int64) -> Int64
  ) throws {
    try meet(operation, UnsafeMutableRawBufferPointer(buffer)) { all in
      let parts = all.map { $0.bindMemory(to: Int64.self) }
      for index in buffer.indices {
        let result = parts.dropFirst().reduce(parts[0][index]) { combine($0, $1[index]) }
        for part in parts { part[index] = result }
      }
    }
  }

  private func meet(
    _ operation: String, _ buffer: UnsafeMutableRawBufferPointer,
    _ work: ([UnsafeMutableRawBufferPointer]) -> Void
  ) throws {
    _ = try rendezvous.meet(rank, operation, buffer, countMatters: true, work)
  }
}

/// What the ranks returned; each writes its own value.
private final class LoopbackResults<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private var values: [Int: Value] = [:]

  func set(_ value: Value, for rank: Int) {
    lock.withLock { values[rank] = value }
  }

  var ordered: [Value] {
    lock.withLock { values.sorted { $0.key < $1.key }.map(\.value) }
  }
}
