/// The dialogues of one training step, cut into micro-batches, with the counts that scale losses.
///
/// Letters: B dialogues, n utterances of a dialogue, N utterances of the batch, M modalities in
/// use, V micro-batches.
package struct GlobalBatch: Sendable, Equatable {
  /// The epoch of the batch, counted from 0.
  package let epoch: Int

  /// The number of dialogues of the epoch that were consumed before this batch.
  package let cursor: Int

  /// The dialogues, as indices in the split's file order, in the order of the epoch. `[B]`
  package let dialogues: [Int]

  /// The dialogues of each micro-batch, as indices in the split's file order. `[V]`
  ///
  /// Each dialogue is in exactly one micro-batch, in the same order as in ``dialogues``. A
  /// micro-batch may be empty and then contributes zeros.
  package let microBatches: [[Int]]

  /// The number of utterances, N.
  package let utteranceCount: Int

  /// The number of utterances in dialogues of at least two utterances.
  ///
  /// Only these have positives in the contrastive loss of the modality level.
  package let pairedUtteranceCount: Int

  /// Creates the batch of the given dialogues.
  ///
  /// - Parameters:
  ///   - dialogues: indices in the split's file order.
  ///   - dialogueLengths: utterances of every dialogue of the split, in file order.
  ///   - microBatchCount: V, at least 1; may exceed the number of dialogues.
  ///   - epoch: the epoch of the batch, counted from 0.
  ///   - cursor: the number of dialogues of the epoch that were consumed before.
  package init(
    dialogues: [Int], dialogueLengths: [Int], microBatchCount: Int, epoch: Int = 0, cursor: Int = 0
  ) {
    precondition(microBatchCount > 0, "\(microBatchCount) micro-batches")
    let lengths = dialogues.map { dialogueLengths[$0] }
    self.epoch = epoch
    self.cursor = cursor
    self.dialogues = dialogues
    microBatches = MicroBatchBalance.cut(lengths: lengths, into: microBatchCount).map {
      $0.map { dialogues[$0] }
    }
    utteranceCount = lengths.reduce(0, +)
    pairedUtteranceCount = lengths.reduce(0) { $1 >= 2 ? $0 + $1 : $0 }
  }

  /// The cursor after this batch.
  package var nextCursor: Int { cursor + dialogues.count }

  /// The indices of the micro-batches that a rank computes: `[rV/p, (r+1)V/p)`.
  package func microBatchRange(rank: Int, rankCount: Int) -> Range<Int> {
    RankShare.range(of: microBatches.count, rank: rank, rankCount: rankCount)
  }
}
