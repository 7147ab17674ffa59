import Autograd
import TensorCore

/// What the sums of a micro-batch are multiplied by, known before the step from the batch plan.
///
/// All means are over the global batch, so the parts of all micro-batches add up to the loss, and
/// their gradients to its gradient.
package struct LossScales: BitwiseCopyable, Sendable {
  /// The factor of an anchor's modality-level term, (3).
  package let modalityAnchor: Double
  /// The factor of an anchor's utterance-level term, (5).
  package let utteranceAnchor: Double
  /// The factor of an utterance's term, (13), (14) and (24).
  package let utterance: Double
  /// The factor of the term of one modality of an utterance, (19).
  package let aligned: Double

  /// - Parameters:
  ///   - utteranceCount: N, over the global batch.
  ///   - pairedUtteranceCount: the utterances of the global batch whose dialogue has at least two, the
  ///     only ones that have a positive on the modality level.
  ///   - modalityCount: M.
  ///   - reduction: means or sums; (19) is a mean in both.
  package init(
    utteranceCount: Int, pairedUtteranceCount: Int, modalityCount: Int,
    reduction: DFERCOptions.Reduction
  ) {
    func reciprocal(_ count: Int) -> Double { count == 0 ? 0 : 1 / Double(count) }
    let isMean = reduction == .mean
    modalityAnchor = isMean ? reciprocal(pairedUtteranceCount * modalityCount) : 1
    utteranceAnchor = isMean ? reciprocal(utteranceCount * modalityCount) : 1
    utterance = isMean ? reciprocal(utteranceCount) : 1
    aligned = reciprocal(utteranceCount * modalityCount)
  }
}

/// The unweighted parts of the loss, (25).
package struct LossParts: BitwiseCopyable, Sendable, Equatable {
  /// L_emo, (24).
  package var emotion = 0.0
  /// cl_m, (3).
  package var contrastiveModality = 0.0
  /// cl_u, (5).
  package var contrastiveUtterance = 0.0
  /// L_p, (13), added over modalities.
  package var classification = 0.0
  /// L_q, (14), added over modalities.
  package var regression = 0.0
  /// L_sim, (19).
  package var prototype = 0.0

  /// All parts zero.
  package init() {}

  /// The number of parts.
  package static let count = 6

  /// The loss, (25).
  package func total(_ weights: DFERCOptions.Loss) -> Double {
    Double(weights.contrastive) * (contrastiveModality + contrastiveUtterance)
      + Double(weights.contribution) * (classification + regression)
      + Double(weights.prototype) * prototype + emotion
  }
}

/// The parts of the loss that each micro-batch of a pass contributes.
package struct LossShares: BitwiseCopyable {
  private let parts: UnsafeMutableBufferPointer<LossParts>

  /// Zero for every micro-batch.
  init(count: Int, arena: StepArena) {
    parts = arena.allocate(LossParts.self, count: count)
    parts.initialize(repeating: LossParts())
  }

  /// The number of micro-batches.
  package var count: Int { parts.count }

  /// The share of one micro-batch.
  package subscript(segment: Int) -> LossParts { parts[segment] }

  /// Lets `apply` bring the sum of each micro-batch into its share.
  func add(_ sums: SegmentSums, _ apply: (inout LossParts, Double) -> Void) {
    for segment in parts.indices { apply(&parts[segment], sums[segment]) }
  }
}
