import DataParallel
import JobControl
import StallDetection

/// How long each phase of the training steps took.
package struct PhaseClock: Sendable {
  /// The phases of a training step, in their order.
  package enum Phase: String, CaseIterable, Sendable {
    /// Copying features and labels into the arena.
    case load
    /// From the features to the aligned representations.
    case encode
    /// Summing prototype statistics over ranks, and the new prototypes.
    case prototypes
    /// Context and prediction.
    case predict
    /// All parts of the loss.
    case losses
    /// All gradients.
    case backward
    /// Summing gradients and losses over ranks; includes the wait for slower ranks.
    case synchronize
    /// Norm, clipping, AdamW.
    case update
  }

  private let clock = ContinuousClock()
  private let tracker: PhaseTracker
  private var seconds = [Double](repeating: 0, count: Phase.allCases.count)

  /// A clock at zero.
  ///
  /// - Parameter tracker: records every phase that begins.
  package init(_ tracker: PhaseTracker) {
    self.tracker = tracker
  }

  /// Runs a piece of work and adds its time to a phase.
  @inline(__always)
  package mutating func measure<Result>(
    _ phase: Phase, _ body: () throws -> Result
  ) throws -> Result {
    try tracker.enter(phase.runPhase)
    let start = clock.now
    defer { seconds[phase.index] += (clock.now - start) / .seconds(1) }
    return try body()
  }

  /// The seconds spent in a phase so far.
  package subscript(phase: Phase) -> Double { seconds[phase.index] }

  /// Sets all phases to zero.
  package mutating func reset() {
    for index in seconds.indices { seconds[index] = 0 }
  }
}

extension PhaseClock.Phase {
  /// What messages and fault plans call it.
  fileprivate var runPhase: RunPhase {
    switch self {
    case .load: .load
    case .encode, .predict, .losses: .forward
    case .prototypes: .sums
    case .backward: .backward
    case .synchronize: .allreduce
    case .update: .update
    }
  }

  fileprivate var index: Int {
    switch self {
    case .load: 0
    case .encode: 1
    case .prototypes: 2
    case .predict: 3
    case .losses: 4
    case .backward: 5
    case .synchronize: 6
    case .update: 7
    }
  }
}
