import Files
import TensorCore

/// The section `optimizer`: AdamW, its schedule and clipping.
package struct OptimizerOptions: ConfigurationSection {
  /// The decay of the learning rate after the warm-up.
  package enum Schedule: String, CaseIterable, Sendable, ConfigurationWord {
    /// Linear to zero at the last step.
    case linear
    /// No decay.
    case constant
    /// Half a cosine wave to zero at the last step.
    case cosine
  }

  /// The peak learning rate, reached at the end of the warm-up.
  package var learningRate = 1e-3

  /// The decoupled weight decay; biases and LayerNorm have none.
  package var weightDecay = 0.01

  /// The decay rates of the first and the second moment.
  package var betas = [0.9, 0.999]

  /// The term added to the root of the second moment.
  package var epsilon = 1e-8

  /// The number of steps over which the learning rate rises from zero.
  package var warmupSteps = 100

  /// The decay of the learning rate after the warm-up.
  package var schedule = Schedule.linear

  /// The global gradient norm above which gradients are scaled down.
  package var clipNorm = 1.0

  /// Whether each rank keeps the moments of a shard of the parameters and updates only that shard.
  ///
  /// Sharding reduces memory and time and changes neither results nor checkpoints.
  package var sharded = false

  /// The section with its defaults.
  package init() {}

  package static let keys = [
    key("learningRate", \.learningRate, .above(0)),
    key("weightDecay", \.weightDecay, .atLeast(0)),
    key("betas", \.betas, .twoDecayRates),
    key("epsilon", \.epsilon, .above(0)),
    key("warmupSteps", \.warmupSteps, .atLeast(0)),
    key("schedule", \.schedule),
    key("clipNorm", \.clipNorm, .above(0)),
    key("sharded", \.sharded, changesResult: false),
  ]
}

extension Requirement where Value == [Double] {
  /// Exactly two numbers in [0, 1).
  package static var twoDecayRates: Requirement {
    Requirement(problem: { rates in
      if rates.count == 2, rates.allSatisfy((0..<1).contains) { return nil }
      return ValueProblem(
        reason: "\(rates.yaml.excerpt()) is not a pair of decay rates",
        cure: "Give two numbers from 0 up to but not including 1, such as [0.9, 0.999].")
    })
  }
}
