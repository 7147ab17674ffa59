import Testing

@testable import DialogueData

@Suite struct BatchPlanTests {
  private let lengths = [3, 1, 7, 4, 12, 2, 9, 5, 1, 6, 8, 10]

  private func plan(seed: UInt64 = 42, batch: Int = 5, microBatches: Int = 2) -> BatchPlan {
    BatchPlan(
      seed: seed, dialogueLengths: lengths, dialoguesPerBatch: batch, microBatchCount: microBatches)
  }

  /// The permutations were computed by a separate program in Python, from Philox upwards.
  @Test func orderOfAnEpochIsAFunctionOfSeedAndEpoch() {
    #expect(plan().epoch(0).order == [2, 8, 4, 7, 1, 11, 0, 9, 5, 3, 6, 10])
    #expect(plan().epoch(1).order == [10, 5, 9, 11, 8, 3, 6, 2, 7, 0, 1, 4])
    #expect(plan(seed: 7).epoch(0).order == [4, 9, 0, 6, 2, 10, 8, 5, 7, 3, 1, 11])
  }

  @Test func firstBatchOfARunIsFixed() {
    let batch = plan().epoch(0).globalBatch(from: 0)
    // Lengths 7, 1, 12, 5, 1 in this order: 12 + 1 against 7 + 5 + 1.
    #expect(batch.dialogues == [2, 8, 4, 7, 1])
    #expect(batch.microBatches == [[8, 4], [2, 7, 1]])
    #expect(batch.utteranceCount == 26)
    #expect(batch.pairedUtteranceCount == 24)
    #expect(batch.cursor == 0 && batch.nextCursor == 5 && batch.epoch == 0)
  }

  @Test func lastSmallerBatchIsKept() {
    #expect(plan().stepsPerEpoch == 3)
    let last = plan().epoch(0).globalBatch(from: 10)
    #expect(last.dialogues == [6, 10])
    #expect(last.nextCursor == plan().dialogueCount)
  }

  /// A run stopped in mid-epoch may go on with another batch size.
  @Test func anyCursorContinuesTheEpoch() {
    let epoch = plan(batch: 5).epoch(3)
    let resumed = plan(batch: 4).epoch(3)
    var seen = epoch.globalBatch(from: 0).dialogues
    while seen.count < lengths.count {
      seen += resumed.globalBatch(from: seen.count).dialogues
    }
    #expect(seen == epoch.order)
  }

  @Test func anchorCountsFollowTheModel() {
    let batch = GlobalBatch(
      dialogues: [1, 0, 8], dialogueLengths: lengths, microBatchCount: 1)
    #expect(batch.utteranceCount == 5)
    #expect(batch.pairedUtteranceCount == 3)
  }

  /// The order in which dialogues are named is kept, also inside micro-batches.
  @Test func givenDialoguesStayInOrder() {
    let batch = GlobalBatch(
      dialogues: [9, 3, 6], dialogueLengths: lengths, microBatchCount: 1, epoch: 2, cursor: 4)
    #expect(batch.dialogues == [9, 3, 6])
    #expect(batch.microBatches == [[9, 3, 6]])
    #expect(batch.epoch == 2 && batch.nextCursor == 7)
  }
}
