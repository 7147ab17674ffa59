import NeuralNet
import TensorCore

/// The options of the model and of its loss; the defaults are those of the paper for MELD.
package struct DFERCOptions: Sendable, Equatable {
  /// How the terms of a loss are reduced.
  package enum Reduction: String, Sendable, CaseIterable {
    /// Means over the global batch.
    case mean
    /// Sums, as printed in the paper.
    case sum
  }

  /// When the sums and counts of the prototypes, (18), are set to zero.
  package enum PrototypeReset: String, Sendable, CaseIterable {
    /// Never.
    case never
    /// Before every epoch.
    case epoch
  }

  /// The width of s, m and u: that of each projected modality and of both DDM branches.
  package var width = 300
  /// The width of x (17) and of the prototypes.
  package var alignmentWidth = 500
  /// The hidden width of each direction of the context encoder (21).
  package var contextHidden = 300
  /// The probability with which every dropout zeroes an element, in [0, 0.99].
  package var dropout = 0.2
  /// The parts that are left out or replaced, at most one of each block.
  package var ablations: [Ablation] = []

  /// a1, the weight of both contrastive losses (3) and (5).
  package var contrastive = 0.3
  /// a2, the weight of the losses of the contribution networks (13) and (14).
  package var contribution = 0.8
  /// a3, the weight of the prototype loss (19).
  package var prototype = 0.3
  /// The reduction of all losses but (19), which is always a mean.
  package var reduction = Reduction.mean
  /// tau of (3), in [0.001, 1000].
  package var modalityTemperature = 0.5
  /// tau of (5), in [0.001, 1000].
  package var utteranceTemperature = 0.3
  /// beta of (19).
  package var margin = 0.1

  /// When the sums and counts of the prototypes are set to zero.
  package var prototypeReset = PrototypeReset.never

  /// The values of the paper for MELD.
  package init() {}

  /// Whether a part is left out or replaced.
  package func has(_ ablation: Ablation) -> Bool { ablations.contains(ablation) }
}

/// The options of a model together with its input and output.
struct DFERCShape: Sendable {
  let options: DFERCOptions
  /// The modalities in use, in the order of `Modality`.
  let modalities: [ModalityWidth]
  /// K, the number of emotions.
  let emotionCount: Int

  /// Whether a part is left out or replaced.
  func has(_ ablation: Ablation) -> Bool { options.has(ablation) }

  /// The width of z, (6) to (8).
  var fusedWidth: Int { has(.noDDM) ? options.width : 3 * options.width }

  /// The width of the context c, (21).
  var contextWidth: Int { 2 * options.contextHidden }

  /// Whether aligned features, prototypes and consistency exist.
  var hasPrototypes: Bool { !has(.crmFull) && !has(.crmZero) && !has(.crmAttention) }

  /// Whether teachers and students of (10) to (15) exist.
  var hasContributionNetworks: Bool { !has(.noCFM) && !has(.cfmAttention) }
}
