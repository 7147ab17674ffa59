import DFERCModel

/// The section `model`: the shape of the network.
package struct ModelOptions: ConfigurationSection {
  /// The width that each modality is projected to, and of both DDM branches.
  package var width = 300

  /// The width of the CRM alignment x (17) and of the prototypes.
  package var alignmentWidth = 500

  /// The hidden width of the context LSTM (21), each way.
  package var contextHidden = 300

  /// The probability with which every dropout of the model zeroes an element, in [0, 0.99].
  package var dropout = 0.2

  /// The parts of the model that are left out or replaced; at most one a block.
  package var ablations: [Ablation] = []

  /// The section with its defaults.
  package init() {}

  package static let keys = [
    key("width", \.width, .within(1...16384)),
    key("alignmentWidth", \.alignmentWidth, .within(1...16384)),
    key("contextHidden", \.contextHidden, .within(1...16384)),
    key("dropout", \.dropout, .within(0.0...0.99)),
    key("ablations", \.ablations, .atMostOneOfABlock),
  ]
}

extension Ablation: ConfigurationWord {}

extension Requirement where Value == [Ablation] {
  /// No two switches of the same block.
  package static var atMostOneOfABlock: Requirement {
    Requirement(problem: { ablations in
      for block in Ablation.Block.allCases {
        let switches = ablations.filter { $0.block == block }.map(\.rawValue)
        guard switches.count > 1 else { continue }
        return ValueProblem(
          reason: "\(switches[0]) and \(switches[1]) both change the \(block.rawValue) block",
          cure: "Keep one of them.")
      }
      return nil
    })
  }
}
