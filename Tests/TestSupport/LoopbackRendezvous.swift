import DataParallel
import Foundation

/// The place where the threads of a loopback job wait for each other.
///
/// Each collective is one rendezvous: every rank puts down its buffer, the last to come does the work
/// on all of them while the others sleep, then all go on. The condition's lock guards every field.
final class LoopbackRendezvous: @unchecked Sendable {
  let size: Int

  private let condition = NSCondition()
  private var operation = ""
  private var arrived: [UnsafeMutableRawBufferPointer?]
  private var latest: [UnsafeMutableRawBufferPointer] = []
  private var arrivedCount = 0
  private var leftCount = 0
  private var generation = 0
  private var poison: PeerError?
  private var firstError: (any Error)?

  init(size: Int) {
    precondition(size > 0, "a job needs a rank")
    self.size = size
    arrived = [UnsafeMutableRawBufferPointer?](repeating: nil, count: size)
  }

  /// Waits for all ranks; the last to come calls `work` with the buffers in rank order.
  ///
  /// - Returns: The buffers. They may be read until the rank's next rendezvous.
  /// - Throws: ``PeerError`` when some rank will never come, or came for something else.
  func meet(
    _ rank: Int, _ operation: String, _ buffer: UnsafeMutableRawBufferPointer, countMatters: Bool,
    _ work: ([UnsafeMutableRawBufferPointer]) -> Void
  ) throws -> [UnsafeMutableRawBufferPointer] {
    condition.lock()
    defer { condition.unlock() }
    let call = countMatters ? "\(operation), \(buffer.count) bytes" : operation
    try arrive(rank, call, buffer)
    if arrivedCount == size {
      latest = arrived.compactMap { $0 }
      work(latest)
      arrivedCount = 0
      generation += 1
      condition.broadcast()
      return latest
    }
    let current = generation
    while generation == current {
      if let poison { throw poison }
      condition.wait()
    }
    return latest
  }

  private func arrive(
    _ rank: Int, _ call: String, _ buffer: UnsafeMutableRawBufferPointer
  ) throws {
    if let poison { throw poison }
    if arrivedCount == 0 { operation = call }
    if call != operation {
      let message = "called \(call) where another rank called \(operation)"
      throw endAllWaits(PeerError(rank: rank, code: 70, message: message))
    }
    if leftCount > 0 {
      let message = "some rank returned before the others called \(call)"
      throw endAllWaits(PeerError(rank: rank, code: 70, message: message))
    }
    arrived[rank] = buffer
    arrivedCount += 1
  }

  /// Takes a rank out for good; those who wait for it, or will, throw.
  func leave(_ rank: Int, because error: (any Error)?) {
    condition.lock()
    defer { condition.unlock() }
    leftCount += 1
    if let error {
      if firstError == nil { firstError = error }
      endAllWaits(PeerError(rank: rank, code: 70, message: "\(error)"))
    } else if arrivedCount > 0 {
      let message = "returned while another rank called \(operation)"
      endAllWaits(PeerError(rank: rank, code: 70, message: message))
    }
    condition.broadcast()
  }

  /// Waits until every rank has left, and throws the error of the first that failed.
  func waitUntilEmpty() throws {
    condition.lock()
    defer { condition.unlock() }
    while leftCount < size { condition.wait() }
    if let firstError { throw firstError }
  }

  @discardableResult
  private func endAllWaits(_ error: PeerError) -> PeerError {
    if poison == nil { poison = error }
    condition.broadcast()
    return error
  }
}
