import Autograd
import NeuralNet

/// The unweighted parts of the loss, (25), in the order of the metrics.
enum LossPart: Int, CaseIterable {
  /// L_emo, (24).
  case emotion
  /// cl_m, (3).
  case contrastiveModality
  /// cl_u, (5).
  case contrastiveUtterance
  /// L_p, (13), added over modalities.
  case classification
  /// L_q, (14), added over modalities.
  case regression
  /// L_sim, (19).
  case prototype

  /// The name and weight of the part.
  func term(_ options: DFERCOptions) -> LossTerm {
    // The weights have the precision in which the backward pass uses them.
    switch self {
    case .emotion: LossTerm("emotion")
    case .contrastiveModality:
      LossTerm("contrastive_modality", weight: Double(Float(options.contrastive)))
    case .contrastiveUtterance:
      LossTerm("contrastive_utterance", weight: Double(Float(options.contrastive)))
    case .classification:
      LossTerm("tcp_classification", weight: Double(Float(options.contribution)))
    case .regression: LossTerm("tcp_regression", weight: Double(Float(options.contribution)))
    case .prototype: LossTerm("prototype", weight: Double(Float(options.prototype)))
    }
  }
}

/// The factors by which the sums of a micro-batch become its shares of the parts of the loss.
struct LossScales {
  /// The factor of the modality-level term of an anchor, (3).
  let modalityAnchor: Double
  /// The factor of the utterance-level term of an anchor, (5).
  let utteranceAnchor: Double
  /// The factor of the term of an utterance, (13), (14) and (24).
  let utterance: Double
  /// The factor of the term of one modality of an utterance, (19).
  let aligned: Double

  /// - Parameters:
  ///   - counts: of the global batch; only utterances of a dialogue with at least two have a
  ///     positive on the modality level.
  ///   - modalityCount: M.
  ///   - reduction: means or sums; (19) is a mean in both.
  init(_ counts: BatchCounts, modalityCount: Int, reduction: DFERCOptions.Reduction) {
    func reciprocal(_ count: Int) -> Double { count == 0 ? 0 : 1 / Double(count) }
    let isMean = reduction == .mean
    modalityAnchor = isMean ? reciprocal(counts.pairedUtterances * modalityCount) : 1
    utteranceAnchor = isMean ? reciprocal(counts.utterances * modalityCount) : 1
    utterance = isMean ? reciprocal(counts.utterances) : 1
    aligned = reciprocal(counts.utterances * modalityCount)
  }
}

/// Collects the shares of the parts of the loss.
struct LossCollector {
  let scales: LossScales
  let shares: LossShares

  /// Adds the sums of all micro-batches to their shares of a part.
  func add(_ sums: SegmentSums, scale: Double, to part: LossPart) {
    shares.add(sums, scale: scale, to: part.rawValue)
  }
}
