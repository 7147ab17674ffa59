/// Linear warm-up, then linear decay or none.
public struct LearningRateSchedule: Sendable, Equatable {
  /// What follows the warm-up.
  public enum Decay: String, Sendable, CaseIterable {
    /// A straight line from 1 to 0 at the end of training.
    case linear
    /// The factor stays 1.
    case constant
  }

  /// W, the number of warm-up steps.
  public let warmupSteps: Int
  /// T, the number of training steps.
  public let totalSteps: Int
  /// What follows the warm-up.
  public let decay: Decay

  /// - Parameters:
  ///   - warmupSteps: W, not shortened where training is shorter.
  ///   - totalSteps: T.
  ///   - decay: what follows the warm-up.
  public init(warmupSteps: Int, totalSteps: Int, decay: Decay) {
    precondition(warmupSteps >= 0 && totalSteps >= 0, "step counts are not negative")
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
    self.decay = decay
  }

  /// The factor of the learning rate at a step, from 0 to 1.
  ///
  /// ```
  /// (s + 1) / W            for s < W
  /// (T - s) / (T - W)      afterwards, with linear decay
  /// ```
  /// - Parameter step: s, from 0 to T - 1.
  public func factor(step: Int) -> Double {
    if step < warmupSteps { return Double(step + 1) / Double(warmupSteps) }
    switch decay {
    case .constant: return 1
    case .linear:
      guard totalSteps > warmupSteps else { return 0 }
      return Double(max(totalSteps - step, 0)) / Double(totalSteps - warmupSteps)
    }
  }
}
