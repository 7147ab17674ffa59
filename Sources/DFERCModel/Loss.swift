import Autograd
import TensorCore

/// What the sums of a micro-batch are multiplied by, known before the step from the batch plan.
///
/// All means are over the global batch, so the parts of all micro-batches add up to the loss, and
/// their gradients to its gradient.
public struct LossScales: BitwiseCopyable, Sendable {
  /// The factor of an anchor's modality-level term, (3).
  public let modalityAnchor: Double
  /// The factor of an anchor's utterance-level term, (5).
  public let utteranceAnchor: Double
  /// The factor of an utterance's term, (13), (14) and (24).
  public let utterance: Double
  /// The factor of the term of one modality of an utterance, (19).
  public let aligned: Double

  /// - Parameters:
  ///   - utteranceCount: N, over the global batch.
  ///   - accompaniedCount: the utterances of the global batch whose dialogue has at least two, the
  ///     only ones that have a positive on the modality level.
  ///   - modalityCount: M.
  ///   - reduction: means or sums; (19) is a mean in both.
  public init(
    utteranceCount: Int, accompaniedCount: Int, modalityCount: Int,
    reduction: DFERCOptions.Reduction
  ) {
    func reciprocal(_ count: Int) -> Double { count == 0 ? 0 : 1 / Double(count) }
    let isMean = reduction == .mean
    modalityAnchor = isMean ? reciprocal(accompaniedCount * modalityCount) : 1
    utteranceAnchor = isMean ? reciprocal(utteranceCount * modalityCount) : 1
    utterance = isMean ? reciprocal(utteranceCount) : 1
    aligned = reciprocal(utteranceCount * modalityCount)
  }
}

/// The unweighted parts of the loss, (25).
public struct LossParts: BitwiseCopyable, Sendable, Equatable {
  /// L_emo, (24).
  public var emotion = 0.0
  /// cl_m, (3).
  public var contrastiveModality = 0.0
  /// cl_u, (5).
  public var contrastiveUtterance = 0.0
  /// L_p, (13), added over modalities.
  public var classification = 0.0
  /// L_q, (14), added over modalities.
  public var regression = 0.0
  /// L_sim, (19).
  public var prototype = 0.0

  /// All parts zero.
  public init() {}

  /// The number of parts.
  public static let count = 6

  /// The loss, (25).
  public func total(_ weights: DFERCOptions.Loss) -> Double {
    Double(weights.contrastive) * (contrastiveModality + contrastiveUtterance)
      + Double(weights.contribution) * (classification + regression)
      + Double(weights.prototype) * prototype + emotion
  }
}

/// The parts of the loss that each micro-batch of a pass contributes.
public struct LossShares: BitwiseCopyable {
  private let parts: UnsafeMutableBufferPointer<LossParts>

  /// Zero for every micro-batch.
  init(count: Int, arena: StepArena) {
    parts = arena.allocate(LossParts.self, count: count)
    parts.initialize(repeating: LossParts())
  }

  /// The number of micro-batches.
  public var count: Int { parts.count }

  /// The share of one micro-batch.
  public subscript(segment: Int) -> LossParts { parts[segment] }

  /// Lets `apply` bring the sum of each micro-batch into its share.
  func add(_ sums: SegmentSums, _ apply: (inout LossParts, Double) -> Void) {
    for segment in parts.indices { apply(&parts[segment], sums[segment]) }
  }
}
