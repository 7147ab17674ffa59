import NeuralNet
import TensorCore
import TestSupport
import Testing

@testable import DFERCModel

@Suite("DF-ERC: parts of the loss")
struct LossTests {
  private func model(_ ablations: [Ablation] = []) -> DFERC {
    var options = DFERCOptions()
    (options.contrastive, options.contribution, options.prototype) = (0.2, 0.9, 0.7)
    options.ablations = ablations
    return DFERC(options, modalities: [ModalityWidth(.text, width: 3)], classCount: 2)
  }

  @Test("The loss is the weighted sum of the parts")
  func total() {
    let parts: [Double] = [1, 10, 100, 1000, 10_000, 100_000]
    let loss = parts.withUnsafeBufferPointer { model().loss(of: $0) }
    let expected = zip(model().lossTerms, parts).reduce(0) { $0 + $1.0.weight * $1.1 }
    // Another grouping of the same products, and weights that Float rounds.
    expectClose([loss], [expected], tolerance: 1e-14, "weighted sum")
    expectClose(
      [loss], [1 + 0.2 * 110 + 0.9 * 11_000 + 0.7 * 100_000], tolerance: 1e-7, "formula")
  }

  @Test("The parts have the names of the metrics")
  func names() {
    #expect(
      model().lossTerms.map(\.name) == [
        "emotion", "contrastive_modality", "contrastive_utterance", "tcp_classification",
        "tcp_regression", "prototype",
      ])
  }

  @Test("Checkpoints hold prototypes unless an ablation takes them away")
  func runningBuffers() {
    #expect(model().runningBuffers.buffers.map(\.name) == ["prototype_sums", "counts"])
    for ablation in Ablation.allCases {
      let hasPrototypes = ablation.block != .crm
      #expect(model([ablation]).runningBuffers.isPersistent == hasPrototypes, "\(ablation)")
    }
  }

  @Test("Means are over the global batch, sums over nothing")
  func scales() {
    let counts = BatchCounts(utterances: 8, pairedUtterances: 5)
    let mean = LossScales(counts, modalityCount: 2, reduction: .mean)
    #expect(mean.modalityAnchor == 1.0 / 10 && mean.utteranceAnchor == 1.0 / 16)
    #expect(mean.utterance == 1.0 / 8 && mean.aligned == 1.0 / 16)
    let sum = LossScales(counts, modalityCount: 2, reduction: .sum)
    #expect(sum.modalityAnchor == 1 && sum.utteranceAnchor == 1 && sum.utterance == 1)
    #expect(sum.aligned == 1.0 / 16)
    let alone = BatchCounts(utterances: 1, pairedUtterances: 0)
    #expect(LossScales(alone, modalityCount: 2, reduction: .mean).modalityAnchor == 0)
  }
}
