import Dispatch

/// The threads that a rank uses for its kernels.
///
/// Work is divided into chunks of outputs of a fixed size, not into one part per thread, so a
/// result does not depend on the number of threads.
package struct Workers: Sendable {
  /// The number of threads, the calling one included.
  package let count: Int

  /// A group of `count` threads.
  package init(count: Int) {
    precondition(count >= 1, "\(count) threads, not at least one")
    self.count = count
  }

  /// The calling thread alone.
  package static let single = Workers(count: 1)

  /// Calls `body` for consecutive ranges that cover `0 ..< count`.
  ///
  /// - Parameters:
  ///   - count: the number of items.
  ///   - size: the number of items in each range but the last. Fewer than `2 * size` items are one
  ///     range on the calling thread.
  ///   - body: writes outputs of its range only.
  package func forEachChunk(of count: Int, size: Int, _ body: (Range<Int>) -> Void) {
    guard self.count > 1, count >= 2 * size else {
      body(0..<count)
      return
    }
    // The closure does not outlive this call, which returns when every chunk is done.
    nonisolated(unsafe) let body = body
    let chunkCount = (count + size - 1) / size
    DispatchQueue.concurrentPerform(iterations: chunkCount) { chunk in
      let start = chunk * size
      body(start..<min(start + size, count))
    }
  }

  /// Calls two independent closures, concurrently if there are two threads.
  package func both(_ first: () -> Void, _ second: () -> Void) {
    guard count > 1 else {
      first()
      second()
      return
    }
    nonisolated(unsafe) let first = first
    nonisolated(unsafe) let second = second
    DispatchQueue.concurrentPerform(iterations: 2) { $0 == 0 ? first() : second() }
  }
}
