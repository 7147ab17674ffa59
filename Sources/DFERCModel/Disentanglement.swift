import Autograd
import NeuralNet
import TensorCore

/// The dual-level disentanglement mechanism (DDM), (2) to (9).
///
/// Two branches map s_m. The loss of one increases the cosines between utterances within a
/// modality, that of the other between the modalities of an utterance.
struct Disentanglement {
  /// Features of both levels, [N, width] for each modality.
  struct Features {
    let modality: VariableList
    let utterance: VariableList
  }

  /// One level: `dropout -> linear -> GELU` for each modality, (2) or (4).
  private struct Branch {
    let linears: [Linear]
    let dropouts: [Dropout]

    init(_ level: String, _ shape: DFERCShape, in layout: inout ParameterLayout) {
      let names = shape.modalities.map { "ddm.\(level).\($0.modality)" }
      linears = names.map {
        Linear($0, inputs: shape.options.width, outputs: shape.options.width, in: &layout)
      }
      dropouts = names.map { Dropout(layer: $0) }
    }

    func callAsFunction(_ s: VariableList, _ pass: Pass) -> VariableList {
      pass.tape.list(count: s.count) { m in
        pass.tape.gelu(linears[m](pass.dropout(s[m], dropouts[m]), pass))
      }
    }
  }

  private let modalityBranch: Branch
  private let utteranceBranch: Branch
  private let modalityContrast: GroupContrastiveLoss?
  private let utteranceContrast: GroupContrastiveLoss?
  private let weight: Float

  init(_ shape: DFERCShape, in layout: inout ParameterLayout) {
    modalityBranch = Branch("modality", shape, in: &layout)
    utteranceBranch = Branch("utterance", shape, in: &layout)
    let options = shape.options
    let count = shape.modalities.count
    weight = Float(options.contrastive)
    func contrast(
      _ positives: GroupContrastiveLoss.Positives, _ temperature: Double
    ) -> GroupContrastiveLoss {
      GroupContrastiveLoss(
        positives: positives, temperature: Float(temperature),
        averagesPositives: options.reduction == .mean, viewCount: count)
    }
    // With a single modality there are no negatives or no positives: both losses are left out.
    modalityContrast =
      count > 1 && !options.has(.noModality)
      ? contrast(.sameView, options.modalityTemperature) : nil
    utteranceContrast =
      count > 1 && !options.has(.noUtterance)
      ? contrast(.sameRow, options.utteranceTemperature) : nil
  }

  /// - Parameter s: projected features, [N, width] each.
  func callAsFunction(_ s: VariableList, _ pass: Pass) -> Features {
    Features(modality: modalityBranch(s, pass), utterance: utteranceBranch(s, pass))
  }

  /// Adds the contrastive losses, (3) and (5), to the shares of the micro-batches.
  func addLosses(
    _ features: Features, to losses: LossCollector, _ pass: Pass
  ) {
    func sums(
      _ views: VariableList, _ contrast: GroupContrastiveLoss, scale: Double
    ) -> SegmentSums {
      pass.tape.contrastiveLoss(views, contrast, weight: weight * Float(scale))
    }
    if let modalityContrast {
      let scale = losses.scales.modalityAnchor
      let sums = sums(features.modality, modalityContrast, scale: scale)
      losses.add(sums, scale: scale, to: .contrastiveModality)
    }
    if let utteranceContrast {
      let scale = losses.scales.utteranceAnchor
      let sums = sums(features.utterance, utteranceContrast, scale: scale)
      losses.add(sums, scale: scale, to: .contrastiveUtterance)
    }
  }
}
