import TensorCore

/// The dialogues of every training step, as a pure function of the seed.
///
/// An epoch is a permutation of the split's dialogues, drawn from (seed, epoch) alone. It is cut
/// into global batches of `dialoguesPerBatch`; the last, smaller batch is kept. A global batch is
/// cut into micro-batches by the lengths of its dialogues alone. Only this is then divided between
/// ranks: rank r of p computes the micro-batches `[rV/p, (r+1)V/p)`. So every rank derives the same
/// plan without communication, and the dialogues of a step change neither with a restart nor with
/// the number of ranks.
///
/// The position in an epoch is the *cursor*: the number of its dialogues already consumed.
///
///     let epoch = plan.epoch(3)                     // draws the permutation once
///     let batch = epoch.globalBatch(from: cursor)
///     let mine = batch.microBatchRange(rank: rank, rankCount: rankCount)
package struct BatchPlan: Sendable {
  /// The seed of the run.
  package let seed: UInt64

  /// The utterances of every dialogue, in file order.
  package let dialogueLengths: [Int]

  /// The dialogues of a full global batch, B.
  package let dialoguesPerBatch: Int

  /// The micro-batches of every global batch, V.
  package let microBatchCount: Int

  /// Creates the plan of a run.
  ///
  /// - Precondition: there is a dialogue, none is empty, and both counts are positive.
  package init(
    seed: UInt64, dialogueLengths: [Int], dialoguesPerBatch: Int, microBatchCount: Int
  ) {
    precondition(!dialogueLengths.isEmpty, "a batch plan needs a dialogue")
    precondition(dialogueLengths.allSatisfy { $0 > 0 }, "a batch plan met an empty dialogue")
    precondition(dialoguesPerBatch > 0, "\(dialoguesPerBatch) dialogues a batch")
    precondition(microBatchCount > 0, "\(microBatchCount) micro-batches")
    self.seed = seed
    self.dialogueLengths = dialogueLengths
    self.dialoguesPerBatch = dialoguesPerBatch
    self.microBatchCount = microBatchCount
  }

  /// The dialogues of an epoch.
  package var dialogueCount: Int { dialogueLengths.count }

  /// The steps of an epoch, `ceil(D / B)`.
  package var stepsPerEpoch: Int {
    (dialogueCount + dialoguesPerBatch - 1) / dialoguesPerBatch
  }

  /// The plan of an epoch, whose order is drawn once.
  package func epoch(_ epoch: Int) -> EpochPlan { EpochPlan(epoch: epoch, plan: self) }
}

/// The dialogues of one epoch in training order.
package struct EpochPlan: Sendable {
  /// The number of the epoch, counted from 0.
  package let epoch: Int

  /// Every dialogue exactly once, as indices in the split's file order.
  package let order: [Int]

  private let plan: BatchPlan

  init(epoch: Int, plan: BatchPlan) {
    var stream = RandomStream(seed: plan.seed, purpose: "shuffle", step: epoch)
    self.epoch = epoch
    self.plan = plan
    order = stream.permutation(of: plan.dialogueCount)
  }

  /// The global batch that begins at a cursor, with at most `dialoguesPerBatch` dialogues.
  ///
  /// The cursor need not be a multiple of the batch size: a run that is resumed within an epoch
  /// with another batch size still trains on each dialogue once.
  ///
  /// - Precondition: the cursor is in 0 ..< the number of dialogues.
  package func globalBatch(from cursor: Int) -> GlobalBatch {
    precondition(order.indices.contains(cursor), "cursor \(cursor) of \(order.count) dialogues")
    let end = min(cursor + plan.dialoguesPerBatch, order.count)
    return GlobalBatch(
      dialogues: Array(order[cursor..<end]), dialogueLengths: plan.dialogueLengths,
      microBatchCount: plan.microBatchCount, epoch: epoch, cursor: cursor)
  }
}
