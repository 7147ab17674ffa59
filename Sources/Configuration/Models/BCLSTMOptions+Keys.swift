import Baselines
import NeuralNet

extension BCLSTMOptions: ModelOptions {
  package static let modelName = "bc-lstm"

  package static let keys = [
    key("model.hidden", \.hidden, .within(1...16384)),
    key("model.denseWidth", \.denseWidth, .within(1...16384)),
    key("model.dropout", \.dropout, .within(0.0...0.99)),
  ]

  package func makeModel(_ modalities: [ModalityWidth], classCount: Int) -> any Model {
    BCLSTM(self, modalities: modalities, classCount: classCount)
  }
}
