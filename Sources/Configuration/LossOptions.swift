import DFERCModel

/// The section `loss`: the weights and constants of the loss (25).
package struct LossOptions: ConfigurationSection {
  /// How the terms of the losses are brought together.
  package typealias Reduction = DFERCOptions.Reduction

  /// The weight a1 of both contrastive losses (3) and (5).
  package var contrastive = 0.3

  /// The weight a2 of the two contribution losses (13) and (14).
  package var contribution = 0.8

  /// The weight a3 of the prototype loss (19).
  package var prototype = 0.3

  /// Means over the global batch, or the paper's sums.
  package var reduction = Reduction.mean

  /// The temperature of the contrastive loss on the modality level (3), in [0.001, 1000].
  package var modalityTemperature = 0.5

  /// The temperature of the contrastive loss on the utterance level (5), in [0.001, 1000].
  package var utteranceTemperature = 0.3

  /// The margin beta of the prototype loss (19).
  package var margin = 0.1

  /// The section with its defaults.
  package init() {}

  package static let keys = [
    key("contrastive", \.contrastive, .atLeast(0)),
    key("contribution", \.contribution, .atLeast(0)),
    key("prototype", \.prototype, .atLeast(0)),
    key("reduction", \.reduction),
    key("modalityTemperature", \.modalityTemperature, .within(0.001...1000)),
    key("utteranceTemperature", \.utteranceTemperature, .within(0.001...1000)),
    key("margin", \.margin, .atLeast(0)),
  ]
}

/// The section `prototype`: the emotion prototypes (18).
package struct PrototypeOptions: ConfigurationSection {
  /// When the sums and counts of the prototypes go back to zero.
  package enum Reset: String, CaseIterable, Sendable, ConfigurationWord {
    /// Never: they run over the whole training.
    case never
    /// Before the first step of every epoch.
    case epoch
  }

  /// When the prototypes start anew.
  package var reset = Reset.never

  /// The section with its defaults.
  package init() {}

  package static let keys = [key("reset", \.reset)]
}

extension DFERCOptions.Reduction: ConfigurationWord {}
