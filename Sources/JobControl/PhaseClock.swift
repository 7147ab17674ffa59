import StallDetection

/// How long each phase of a run took.
struct PhaseClock: Sendable {
  private let clock = ContinuousClock()
  private var durations = [Duration](repeating: .zero, count: RunPhase.allCases.count)
  private var current = RunPhase.start
  private var start = ContinuousClock.now

  /// Ends the phase under way and begins another.
  mutating func enter(_ phase: RunPhase) {
    let now = clock.now
    durations[Int(current.rawValue)] += now - start
    (current, start) = (phase, now)
  }

  /// The seconds spent in a phase, if it is not under way.
  func seconds(in phase: RunPhase) -> Double { durations[Int(phase.rawValue)] / .seconds(1) }

  /// Sets all phases to zero.
  mutating func reset() {
    for index in durations.indices { durations[index] = .zero }
    start = clock.now
  }
}
