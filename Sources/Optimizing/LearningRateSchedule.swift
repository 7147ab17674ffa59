/// Linear warm-up, then linear decay to zero at the end of training.
public struct LearningRateSchedule: Sendable {
  private let warmupSteps: Int
  /// T, the number of training steps.
  public let totalSteps: Int

  /// - Parameters:
  ///   - warmupSteps: W, not shortened where training is shorter.
  ///   - totalSteps: T, the number of training steps.
  public init(warmupSteps: Int, totalSteps: Int) {
    precondition(warmupSteps >= 0 && totalSteps >= 0, "step counts are not negative")
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
  }

  /// The factor of the learning rate at a step, from 0 to 1.
  ///
  /// ```
  /// (s + 1) / W            for s < W
  /// (T - s) / (T - W)      afterwards, and 0 from s = T on
  /// ```
  /// - Parameter step: s, from 0.
  public func factor(step: Int) -> Double {
    if step < warmupSteps { return Double(step + 1) / Double(warmupSteps) }
    guard totalSteps > warmupSteps else { return 0 }
    return Double(max(totalSteps - step, 0)) / Double(totalSteps - warmupSteps)
  }
}
