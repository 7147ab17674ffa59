import Autograd
import NeuralNet
import TensorCore

/// The dual-level disentanglement mechanism (DDM), (2) to (9).
///
/// Two branches see s_m: one draws rows of the same modality together, the other rows of the same
/// utterance.
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

    init(_ level: String, _ options: DFERCOptions, in layout: inout ParameterLayout) {
      let names = options.modalities.map { "ddm.\(level).\($0.modality)" }
      linears = names.map {
        Linear($0, inputs: options.width, outputs: options.width, in: &layout)
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
  private let modalityContrast: Contrast?
  private let utteranceContrast: Contrast?

  init(_ options: DFERCOptions, in layout: inout ParameterLayout) {
    modalityBranch = Branch("modality", options, in: &layout)
    utteranceBranch = Branch("utterance", options, in: &layout)
    let loss = options.loss
    let count = options.modalities.count
    func contrast(_ positives: Contrast.Positives, _ temperature: Float) -> Contrast {
      Contrast(
        positives: positives, temperature: temperature, averagesPositives: loss.reduction == .mean,
        modalityCount: count)
    }
    // With a single modality there is nothing to hold apart: both losses are zero.
    modalityContrast =
      count > 1 && !options.has(.noModality)
      ? contrast(.sameModality, loss.modalityTemperature) : nil
    utteranceContrast =
      count > 1 && !options.has(.noUtterance)
      ? contrast(.sameUtterance, loss.utteranceTemperature) : nil
  }

  /// - Parameter s: projected features, [N, width] each.
  func callAsFunction(_ s: VariableList, _ pass: Pass) -> Features {
    Features(modality: modalityBranch(s, pass), utterance: utteranceBranch(s, pass))
  }

  /// Adds the contrastive losses (3) and (5) to the shares of the micro-batches.
  func addLosses(
    _ features: Features, scales: LossScales, weight: Float, to shares: LossShares, _ pass: Pass
  ) {
    func sums(_ rows: VariableList, _ contrast: Contrast, scale: Double) -> SegmentSums {
      pass.tape.contrastive(
        rows, dialogues: pass.dialogues, contrast: contrast, weight: weight * Float(scale))
    }
    if let modalityContrast {
      let scale = scales.modalityAnchor
      let sums = sums(features.modality, modalityContrast, scale: scale)
      shares.add(sums) { $0.contrastiveModality += scale * $1 }
    }
    if let utteranceContrast {
      let scale = scales.utteranceAnchor
      let sums = sums(features.utterance, utteranceContrast, scale: scale)
      shares.add(sums) { $0.contrastiveUtterance += scale * $1 }
    }
  }
}
