import NeuralNet
import TensorCore
import TestSupport
import Testing

@testable import Baselines

@Suite("bc-LSTM")
struct BCLSTMTests {
  private let model = BCLSTM(
    BCLSTMOptions(),
    modalities: [ModalityWidth(.text, width: 100), ModalityWidth(.audio, width: 73)],
    classCount: 2)

  @Test("The parameters are those of PyTorch's modules, in the published sizes")
  func parameters() {
    let shapes = Dictionary(
      uniqueKeysWithValues: model.layout.parameters.map { ($0.name, $0.shape) })
    #expect(shapes["lstm.weight_ih_l0"] == [1200, 173])
    #expect(shapes["lstm.weight_hh_l0_reverse"] == [1200, 300])
    #expect(shapes["dense.weight"] == [500, 600])
    #expect(shapes["classifier.weight"] == [2, 500])
    #expect(shapes.count == 12)
  }

  @Test("The loss is the cross-entropy alone")
  func loss() {
    let loss = [0.75].withUnsafeBufferPointer { model.loss(of: $0) }
    expectClose([loss], [0.75], tolerance: 0, "loss")
    #expect(model.lossTerms == [LossTerm("emotion")])
    #expect(model.extras.isEmpty && model.runningBuffers.buffers.isEmpty)
  }
}
