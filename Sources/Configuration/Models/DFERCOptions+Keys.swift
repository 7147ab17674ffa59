import DFERCModel
import NeuralNet

extension DFERCOptions: ModelOptions {
  package static let modelName = "dferc"

  package static let keys = [
    key("model.width", \.width, .within(1...16384)),
    key("model.alignmentWidth", \.alignmentWidth, .within(1...16384)),
    key("model.contextHidden", \.contextHidden, .within(1...16384)),
    key("model.dropout", \.dropout, .within(0.0...0.99)),
    key("model.ablations", \.ablations, .atMostOnePerBlock),
    key("loss.contrastive", \.contrastive, .atLeast(0)),
    key("loss.contribution", \.contribution, .atLeast(0)),
    key("loss.prototype", \.prototype, .atLeast(0)),
    key("loss.reduction", \.reduction),
    key("loss.modalityTemperature", \.modalityTemperature, .within(0.001...1000)),
    key("loss.utteranceTemperature", \.utteranceTemperature, .within(0.001...1000)),
    key("loss.margin", \.margin, .atLeast(0)),
    key("prototype.reset", \.prototypeReset),
  ]

  package func makeModel(_ modalities: [ModalityWidth], classCount: Int) -> any Model {
    DFERC(self, modalities: modalities, classCount: classCount)
  }
}

extension Ablation: ConfigurationWord {}
extension DFERCOptions.Reduction: ConfigurationWord {}
extension DFERCOptions.PrototypeReset: ConfigurationWord {}

extension Requirement where Value == [Ablation] {
  /// At most one ablation of each block.
  package static var atMostOnePerBlock: Requirement {
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
