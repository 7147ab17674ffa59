import Dispatch
import Synchronization

/// Runs one piece of work at a time on a thread of its own.
///
/// What fails is kept until somebody asks; see ``takeFailure()`` and ``wait()``.
package final class BackgroundWork: Sendable {
  private struct State {
    var failure: (any Error)?
    var isBusy = false
    var seconds = 0.0
  }

  private let queue: DispatchQueue
  private let group = DispatchGroup()
  private let state = Mutex(State())

  /// - Parameter name: of the thread, as debuggers show it.
  package init(name: String) {
    queue = DispatchQueue(label: name)
  }

  /// The seconds that all work has taken so far.
  package var seconds: Double { state.withLock { $0.seconds } }

  /// Whether work is going on.
  package var isBusy: Bool { state.withLock { $0.isBusy } }

  /// Starts a piece of work; the one before must have been waited for.
  package func start(_ work: @escaping @Sendable () throws -> Void) {
    state.withLock { state in
      precondition(!state.isBusy && state.failure == nil, "work is going on, or has failed unseen")
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

  /// The error of work that has failed by now, once; nil while work goes on.
  package func takeFailure() -> (any Error)? {
    state.withLock { state in
      defer { state.failure = nil }
      return state.failure
    }
  }

  /// Waits until no work goes on.
  ///
  /// - Returns: the error, if it has failed and nobody has taken that yet.
  package func wait() -> (any Error)? {
    group.wait()
    return takeFailure()
  }

  /// Waits until no work goes on, but not for ever.
  ///
  /// - Returns: whether the work has ended.
  package func wait(atMost seconds: Double) -> Bool {
    group.wait(timeout: .now() + seconds) == .success
  }
}
