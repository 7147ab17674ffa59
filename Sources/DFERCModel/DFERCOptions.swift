import TensorCore

/// A modality in use and the width of its raw features.
public struct ModalityWidth: Sendable, Equatable {
  /// The modality.
  public let modality: Modality
  /// The number of raw features of an utterance.
  public let width: Int

  /// - Parameters:
  ///   - modality: the modality.
  ///   - width: the number of raw features of an utterance.
  public init(_ modality: Modality, width: Int) {
    self.modality = modality
    self.width = width
  }
}

/// Everything that decides the shape of the model and of its loss; the defaults are the paper's.
public struct DFERCOptions: Sendable {
  /// How the terms of the losses are brought together.
  public enum Reduction: String, Sendable, CaseIterable {
    /// Means over the global batch.
    case mean
    /// The plain sums that the paper prints.
    case sum
  }

  /// The parts of the loss and how they enter it, (25).
  public struct Loss: Sendable {
    /// a1, the weight of both contrastive losses.
    public var contrastive: Float = 0.3
    /// a2, the weight of the losses of the contribution networks.
    public var contribution: Float = 0.8
    /// a3, the weight of the prototype loss.
    public var prototype: Float = 0.3
    /// Means or sums.
    public var reduction = Reduction.mean
    /// tau of (3).
    public var modalityTemperature: Float = 0.5
    /// tau of (5).
    public var utteranceTemperature: Float = 0.3
    /// beta of (19).
    public var margin: Float = 0.1

    /// The paper's values for MELD.
    public init() {}
  }

  /// The modalities in use, in the order of ``Modality``.
  public var modalities: [ModalityWidth]
  /// K, the number of emotions.
  public var emotionCount: Int
  /// The width of s, m and u.
  public var width = 300
  /// The width of x and of the prototypes.
  public var alignmentWidth = 500
  /// The hidden width of each direction of the context encoder.
  public var contextHidden = 300
  /// The share of elements that dropout removes.
  public var dropout = 0.2
  /// The parts that are taken away, at most one of each block.
  public var ablations: Set<Ablation> = []
  /// The parts of the loss.
  public var loss = Loss()

  /// The paper's model for the given input.
  public init(modalities: [ModalityWidth], emotionCount: Int) {
    precondition(!modalities.isEmpty && emotionCount > 1, "a model needs input and classes")
    self.modalities = modalities
    self.emotionCount = emotionCount
  }

  /// Whether a part is taken away.
  public func has(_ ablation: Ablation) -> Bool { ablations.contains(ablation) }

  /// The width of z, (6) to (8).
  public var fusedWidth: Int { has(.noDDM) ? width : 3 * width }

  /// The width of the context c, (21).
  public var contextWidth: Int { 2 * contextHidden }

  /// Whether aligned features, prototypes and consistency exist.
  public var hasPrototypes: Bool { !has(.crmFull) && !has(.crmZero) && !has(.crmAttention) }

  /// Whether teachers and students of (10) to (15) exist.
  public var hasContributionNetworks: Bool { !has(.noCFM) && !has(.cfmAttention) }
}
