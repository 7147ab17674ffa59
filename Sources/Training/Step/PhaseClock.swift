/// How long each phase of the training steps took.
public struct PhaseClock: Sendable {
  /// The phases of a training step, in their order.
  public enum Phase: String, CaseIterable, Sendable {
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
  private var seconds = [Double](repeating: 0, count: Phase.allCases.count)

  /// A clock at zero.
  public init() {}

  /// Runs a piece of work and adds its time to a phase.
  @inline(__always)
  public mutating func measure<Result>(
    _ phase: Phase, _ body: () throws -> Result
  ) rethrows -> Result {
    let start = clock.now
    defer { seconds[phase.index] += (clock.now - start) / .seconds(1) }
    return try body()
  }

  /// The seconds spent in a phase so far.
  public subscript(phase: Phase) -> Double { seconds[phase.index] }

  /// Sets all phases to zero.
  public mutating func reset() {
    for index in seconds.indices { seconds[index] = 0 }
  }
}

extension PhaseClock.Phase {
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
