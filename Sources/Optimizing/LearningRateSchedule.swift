import Foundation

/// A learning rate schedule: linear warm-up, then decay.
package struct LearningRateSchedule: Sendable {
  /// The factor of the learning rate after the warm-up.
  package enum Decay: Sendable, Equatable {
    /// A straight line to zero at the last step.
    case linear
    /// 1 to the end.
    case constant
    /// Half a cosine wave to zero at the last step (Loshchilov and Hutter 2017, without restarts).
    case cosine
  }

  private let warmupSteps: Int
  private let decay: Decay
  /// T, the number of training steps.
  package let totalSteps: Int

  /// - Parameters:
  ///   - warmupSteps: W, the number of warm-up steps, which may exceed T.
  ///   - totalSteps: T, the number of training steps.
  ///   - decay: the factor after the warm-up.
  package init(warmupSteps: Int, totalSteps: Int, decay: Decay = .linear) {
    precondition(warmupSteps >= 0 && totalSteps >= 0, "step counts are not negative")
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
    self.decay = decay
  }

  /// The factor of the learning rate at a step, from 0 to 1.
  ///
  /// ```
  /// (s + 1) / W                                 for s < W
  /// (T - s) / (T - W)                           linear
  /// 1                                           constant
  /// (1 + cos(pi (s - W) / (T - W))) / 2         cosine
  /// ```
  /// and 0 from s = T on.
  ///
  /// - Parameter step: s, from 0.
  package func factor(step: Int) -> Double {
    if step < warmupSteps { return Double(step + 1) / Double(warmupSteps) }
    guard step < totalSteps else { return 0 }
    switch decay {
    case .linear: return Double(totalSteps - step) / Double(totalSteps - warmupSteps)
    case .constant: return 1
    case .cosine:
      let share = Double(step - warmupSteps) / Double(totalSteps - warmupSteps)
      return (1 + cos(.pi * share)) / 2
    }
  }
}
