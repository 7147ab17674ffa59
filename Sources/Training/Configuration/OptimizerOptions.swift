import TensorCore

/// The section `optimizer`: AdamW, its schedule and clipping.
public struct OptimizerOptions: ConfigurationSection {
  /// How the learning rate goes on after the warm-up.
  public enum Schedule: String, CaseIterable, Sendable, ConfigurationWord {
    /// In a straight line down to zero at the last step.
    case linear
  }

  /// The peak learning rate, reached at the end of the warm-up.
  public var learningRate = 1e-3

  /// The decoupled weight decay; biases and LayerNorm have none.
  public var weightDecay = 0.01

  /// The decay rates of the first and the second moment.
  public var betas = [0.9, 0.999]

  /// What is added to the root of the second moment.
  public var epsilon = 1e-8

  /// The number of steps over which the learning rate rises from zero.
  public var warmupSteps = 100

  /// The course of the learning rate after the warm-up.
  public var schedule = Schedule.linear

  /// The global gradient norm above which gradients are scaled down.
  public var clipNorm = 1.0

  /// Whether each rank keeps the moments of a part of the parameters and updates that part alone.
  ///
  /// It spares memory and time, changes no bit, and does not show in checkpoints.
  public var sharded = false

  /// The section with its defaults.
  public init() {}

  static let keys = [
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
  static var twoDecayRates: Requirement {
    Requirement(problem: { rates in
      if rates.count == 2, rates.allSatisfy((0..<1).contains) { return nil }
      return ValueProblem(
        reason: "\(rates.yaml.excerpt()) is not a pair of decay rates",
        cure: "Give two numbers from 0 up to but not including 1, such as [0.9, 0.999].")
    })
  }
}
