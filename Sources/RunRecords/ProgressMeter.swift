/// The progress of a run, as the progress line shows it.
package struct ProgressSnapshot: Sendable, Equatable {
  /// The epoch, counted from 1, and the number of epochs.
  package let epoch: Int, epochs: Int
  /// The number of steps made, and the number of planned steps.
  package let step: Int, steps: Int
  /// The loss of the last step.
  package let loss: Double
  /// The speed of the last steps.
  package let utterancesPerSecond: Double?
  /// The seconds that are left at that speed.
  package let secondsLeft: Double?

  /// The progress on one line.
  package var text: String {
    var parts = [
      "epoch \(epoch)/\(epochs)", "step \(step)/\(steps)", "loss \(String(fixed: loss, digits: 4))",
    ]
    if let utterancesPerSecond {
      parts.append("\(String(fixed: utterancesPerSecond, digits: 0)) utterances/s")
    }
    if let secondsLeft { parts.append("\(String(seconds: secondsLeft)) left") }
    return parts.joined(separator: "  ")
  }

  /// The line for a terminal: truncated to its width, with a bar if there is room.
  package func line(width: Int) -> String {
    let room = max(1, width - 1)  // the last column would move the cursor to the next line
    guard room >= text.count + 14 else { return String(text.prefix(room)) }
    let cells = min(40, room - text.count - 4)
    let share = steps > 0 ? Double(min(step, steps)) / Double(steps) : 0
    let filled = Int(share * Double(cells))
    return "[" + String(repeating: "#", count: filled)
      + String(repeating: ".", count: cells - filled) + "]  " + text
  }
}

/// Measures the speed of training over the last steps.
package struct ProgressMeter: Sendable {
  /// The factor of the weight of older steps with each step.
  private static let smoothing = 0.95

  private let epochs: Int
  private let steps: Int
  private var last: ContinuousClock.Instant
  private var seconds = 0.0
  private var utterances = 0.0
  private var weight = 0.0

  /// Starts the measurement.
  ///
  /// - Parameters:
  ///   - epochs: The number of epochs of the whole run.
  ///   - steps: The number of steps of the whole run.
  ///   - now: The current time.
  package init(epochs: Int, steps: Int, now: ContinuousClock.Instant = .now) {
    self.epochs = epochs
    self.steps = steps
    last = now
  }

  /// Leaves out the time since the last step, such as that of an evaluation.
  package mutating func skip(to now: ContinuousClock.Instant = .now) { last = now }

  /// Records a step that ends now.
  ///
  /// - Parameters:
  ///   - epoch: The epoch, counted from 1.
  ///   - step: The number of steps made.
  ///   - loss: The loss of the step.
  ///   - utterances: The number of utterances of the global batch.
  ///   - now: The current time.
  /// - Returns: The progress for the progress line.
  package mutating func advance(
    epoch: Int, step: Int, loss: Double, utterances count: Int,
    now: ContinuousClock.Instant = .now
  ) -> ProgressSnapshot {
    let span = (now - last) / .seconds(1)
    last = now
    seconds = seconds * Self.smoothing + span
    utterances = utterances * Self.smoothing + Double(count)
    weight = weight * Self.smoothing + 1
    let isMeasured = seconds > 0
    return ProgressSnapshot(
      epoch: epoch, epochs: epochs, step: step, steps: steps, loss: loss,
      utterancesPerSecond: isMeasured ? utterances / seconds : nil,
      secondsLeft: isMeasured ? seconds / weight * Double(max(0, steps - step)) : nil)
  }
}
