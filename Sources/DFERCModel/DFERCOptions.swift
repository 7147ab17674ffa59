import TensorCore

/// A modality in use and the width of its raw features.
package struct ModalityWidth: Sendable, Equatable {
  /// The modality.
  package let modality: Modality
  /// The number of raw features of an utterance.
  package let width: Int

  /// - Parameters:
  ///   - modality: the modality.
  ///   - width: the number of raw features of an utterance.
  package init(_ modality: Modality, width: Int) {
    self.modality = modality
    self.width = width
  }
}

/// Everything that decides the shape of the model and of its loss; the defaults are the paper's.
package struct DFERCOptions: Sendable {
  /// How the terms of the losses are brought together.
  package enum Reduction: String, Sendable, CaseIterable {
    /// Means over the global batch.
    case mean
    /// The plain sums that the paper prints.
    case sum
  }

  /// The parts of the loss and how they enter it, (25).
  package struct Loss: Sendable {
    /// a1, the weight of both contrastive losses.
    package var contrastive: Float = 0.3
    /// a2, the weight of the losses of the contribution networks.
    package var contribution: Float = 0.8
    /// a3, the weight of the prototype loss.
    package var prototype: Float = 0.3
    /// Means or sums.
    package var reduction = Reduction.mean
    /// tau of (3).
    package var modalityTemperature: Float = 0.5
    /// tau of (5).
    package var utteranceTemperature: Float = 0.3
    /// beta of (19).
    package var margin: Float = 0.1

    /// The paper's values for MELD.
    package init() {}
  }

  /// The modalities in use, in the order of ``Modality``.
  package var modalities: [ModalityWidth]
  /// K, the number of emotions.
  package var emotionCount: Int
  /// The width of s, m and u.
  package var width = 300
  /// The width of x and of the prototypes.
  package var alignmentWidth = 500
  /// The hidden width of each direction of the context encoder.
  package var contextHidden = 300
  /// The share of elements that dropout removes.
  package var dropout = 0.2
  /// The parts that are taken away, at most one of each block.
  package var ablations: Set<Ablation> = []
  /// The parts of the loss.
  package var loss = Loss()

  /// The paper's model for the given input.
  package init(modalities: [ModalityWidth], emotionCount: Int) {
    precondition(!modalities.isEmpty && emotionCount > 1, "a model needs input and classes")
    self.modalities = modalities
    self.emotionCount = emotionCount
  }

  /// Whether a part is taken away.
  package func has(_ ablation: Ablation) -> Bool { ablations.contains(ablation) }

  /// The width of z, (6) to (8).
  package var fusedWidth: Int { has(.noDDM) ? width : 3 * width }

  /// The width of the context c, (21).
  package var contextWidth: Int { 2 * contextHidden }

  /// Whether aligned features, prototypes and consistency exist.
  package var hasPrototypes: Bool { !has(.crmFull) && !has(.crmZero) && !has(.crmAttention) }

  /// Whether teachers and students of (10) to (15) exist.
  package var hasContributionNetworks: Bool { !has(.noCFM) && !has(.cfmAttention) }
}
