import Baselines
import Configuration
import DFERCModel
import DialogueData
import JobControl
import TestSupport
import Testing

@testable import Training

/// Checks that micro-batches in one pass have the same bits as micro-batches on one rank each.
@Suite("Micro-batches in one pass")
struct MicroBatchTests {
  /// The results of a rank after the step, with the logits of its own rows by dialogue.
  private struct Outcome: Sendable {
    let losses: [Double]
    let gradients: [Float]
    let buffers: [UInt8]
    let logits: [Int: [Float]]

    init(_ engine: GradientEngine) {
      losses = Array(engine.lossParts)
      gradients = Array(engine.gradients.elements)
      buffers = Array(engine.buffers.bytes)
      var logits: [Int: [Float]] = [:]
      let values = engine.prediction?.logits.value
      for (position, dialogue) in engine.loader.dialogues.enumerated() {
        logits[dialogue] = values.map { Array($0.rows(engine.loader.rows(of: position)).elements) }
      }
      self.logits = logits
    }
  }

  private func run(_ small: SmallBatch, ranks: Int, microBatches: Int) throws -> [Outcome] {
    try LoopbackCollective.run(ranks: ranks) { collective in
      let engine = try small.engine(TrainingRig.team(collective))
      try engine.run(
        small.batch(microBatches: microBatches), of: small.split, randomness: small.randomness)
      engine.buffers.commit()
      return Outcome(engine)
    }
  }

  /// Of eight micro-batches, six dialogues leave two empty, and two of eight ranks without rows.
  @Test(
    "losses, running sums, predictions and gradients of DF-ERC",
    arguments: DFERCOptions.everyAblation, [4, 8])
  func dferc(ablations: [Ablation], microBatches: Int) throws {
    try expectSameBits(DFERCOptions.small(ablations), microBatches: microBatches)
  }

  @Test("loss, predictions and gradients of bc-LSTM", arguments: [4, 8])
  func bcLSTM(microBatches: Int) throws {
    try expectSameBits(BCLSTMOptions.small, microBatches: microBatches)
  }

  private func expectSameBits(_ options: any ModelOptions, microBatches: Int) throws {
    let small = SmallBatch(options, lengths: [2, 5, 1, 4, 3, 7], classCount: 4, seed: 91)
    let joined = try run(small, ranks: 1, microBatches: microBatches)[0]
    #expect(joined.losses[0] > 0)
    for ranks in [2, microBatches] {
      let apart = try run(small, ranks: ranks, microBatches: microBatches)
      for outcome in apart {
        #expect(outcome.losses == joined.losses, "losses on \(ranks) ranks")
        #expect(outcome.buffers == joined.buffers, "running sums on \(ranks) ranks")
        TestSupport.expectSameBits(
          outcome.gradients, joined.gradients, "gradients on \(ranks) ranks")
        for (dialogue, logits) in outcome.logits {
          TestSupport.expectSameBits(logits, joined.logits[dialogue] ?? [], "logits of \(dialogue)")
        }
      }
      #expect(apart.reduce(0) { $0 + $1.logits.count } == 6)
    }
  }
}
