/// A switch that takes a part of the model away or replaces it (Tables 2 and 3 of the paper).
package enum Ablation: String, CaseIterable, Sendable {
  /// No disentanglement: z = s, no contrastive loss.
  case noDDM = "no-ddm"
  /// No contrastive loss on the utterance level; its branch stays.
  case noUtterance = "no-utterance"
  /// No contrastive loss on the modality level; its branch stays.
  case noModality = "no-modality"
  /// Modalities are added with weight 1.
  case noCFM = "no-cfm"
  /// Fusion weights come from attention over the modalities of an utterance.
  case cfmAttention = "cfm-attention"
  /// The context always enters with weight 1.
  case crmFull = "crm-full"
  /// The context never enters.
  case crmZero = "crm-zero"
  /// Self-attention over the dialogue takes the place of the LSTM; it enters with weight 1.
  case crmAttention = "crm-attention"

  /// The part of the model that a switch belongs to.
  package enum Block: String, CaseIterable, Sendable {
    /// Dual-level disentanglement.
    case ddm = "DDM"
    /// Contribution-aware fusion.
    case cfm = "CFM"
    /// Context refusion.
    case crm = "CRM"
  }

  /// The part of the model that this switch changes; a run may change each part once.
  package var block: Block {
    switch self {
    case .noDDM, .noUtterance, .noModality: .ddm
    case .noCFM, .cfmAttention: .cfm
    case .crmFull, .crmZero, .crmAttention: .crm
    }
  }
}
