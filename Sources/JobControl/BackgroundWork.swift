import Dispatch
import Synchronization

/// Runs one closure at a time on a background thread.
///
/// An error is kept until it is taken by ``takeFailure()`` or ``wait()``.
package final class BackgroundWork: Sendable {
  private struct State {
    var failure: (any Error)?
    var isBusy = false
    var seconds = 0.0
  }

  private let queue: DispatchQueue
  private let group = DispatchGroup()
  private let state = Mutex(State())

  /// - Parameter name: the name of the thread in debuggers.
  package init(name: String) {
    queue = DispatchQueue(label: name)
  }

  /// The number of seconds that all closures have taken so far.
  package var seconds: Double { state.withLock { $0.seconds } }

  /// Whether a closure is running.
  package var isBusy: Bool { state.withLock { $0.isBusy } }

  /// Starts a closure; the one before must have been waited for.
  package func start(_ work: @escaping @Sendable () throws -> Void) {
    state.withLock { state in
      precondition(
        !state.isBusy && state.failure == nil, "work is running, or its error was not taken")
      state.isBusy = true
    }
    queue.async(group: group) { [self] in
      let start = ContinuousClock.now
      let result = Result { try work() }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      state.withLock { state in
        state.seconds += seconds
        state.isBusy = false
        if case .failure(let error) = result { state.failure = error }
      }
    }
  }

  /// Returns the error of a closure that has failed, and clears it; nil while it runs.
  package func takeFailure() -> (any Error)? {
    state.withLock { state in
      defer { state.failure = nil }
      return state.failure
    }
  }

  /// Blocks until no closure is running.
  ///
  /// - Returns: the error of the closure, if it has not been taken yet.
  package func wait() -> (any Error)? {
    group.wait()
    return takeFailure()
  }

  /// Blocks until no closure is running, or a time has passed.
  ///
  /// - Returns: whether the closure has ended.
  package func wait(atMost seconds: Double) -> Bool {
    group.wait(timeout: .now() + seconds) == .success
  }
}
