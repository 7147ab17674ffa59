/// An ablation: removes or replaces a part of the model (Tables 2 and 3 of the paper).
package enum Ablation: String, CaseIterable, Sendable {
  /// No disentanglement: z = s, no contrastive loss.
  case noDDM = "no-ddm"
  /// No contrastive loss on the utterance level, but its branch.
  case noUtterance = "no-utterance"
  /// No contrastive loss on the modality level, but its branch.
  case noModality = "no-modality"
  /// Modalities are added with weight 1.
  case noCFM = "no-cfm"
  /// The fusion weights are those of attention over the modalities of an utterance.
  case cfmAttention = "cfm-attention"
  /// The weight of the context is 1.
  case crmFull = "crm-full"
  /// The weight of the context is 0.
  case crmZero = "crm-zero"
  /// Self-attention over the dialogue replaces the LSTM, and the weight of the context is 1.
  case crmAttention = "crm-attention"

  /// A part of the model that ablations change.
  package enum Block: String, CaseIterable, Sendable {
    /// Dual-level disentanglement.
    case ddm = "DDM"
    /// Contribution-aware fusion.
    case cfm = "CFM"
    /// Context refusion.
    case crm = "CRM"
  }

  /// The part of the model that this ablation changes; a run has at most one for each part.
  package var block: Block {
    switch self {
    case .noDDM, .noUtterance, .noModality: .ddm
    case .noCFM, .cfmAttention: .cfm
    case .crmFull, .crmZero, .crmAttention: .crm
    }
  }
}
