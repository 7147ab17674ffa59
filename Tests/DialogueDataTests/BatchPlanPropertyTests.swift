import TensorCore
import Testing

@testable import DialogueData

/// Properties that hold for every plan, over random ones; the seed is in every message.
@Suite struct BatchPlanPropertyTests {
  private static let rankCounts = [1, 2, 3, 4, 5, 8, 16]

  private func randomPlan(_ seed: UInt64) -> BatchPlan {
    var stream = RandomStream(seed: seed, purpose: "plan-test")
    let lengths = (0..<1 + stream.nextInteger(below: 60)).map { _ in
      1 + stream.nextInteger(below: 24)
    }
    return BatchPlan(
      seed: seed, dialogueLengths: lengths, dialoguesPerBatch: 1 + stream.nextInteger(below: 20),
      microBatchCount: 1 + stream.nextInteger(below: 12))
  }

  private func batches(of plan: BatchPlan, epoch: Int) -> [GlobalBatch] {
    let epoch = plan.epoch(epoch)
    return (0..<plan.stepsPerEpoch).map { epoch.globalBatch(from: $0 * plan.dialoguesPerBatch) }
  }

  @Test(arguments: 0..<100 as Range<UInt64>)
  func everyDialogueComesOnceAnEpoch(seed: UInt64) {
    let plan = randomPlan(seed)
    for epoch in 0..<3 {
      let batches = batches(of: plan, epoch: epoch)
      let all = Array(0..<plan.dialogueCount)
      #expect(batches.flatMap(\.dialogues).sorted() == all, "seed \(seed)")
      #expect(batches.flatMap { $0.microBatches.flatMap(\.self) }.sorted() == all, "seed \(seed)")
      #expect(batches.last?.nextCursor == plan.dialogueCount, "seed \(seed)")
      #expect(batches.dropLast().allSatisfy { $0.dialogues.count == plan.dialoguesPerBatch })
    }
  }

  @Test(arguments: 0..<100 as Range<UInt64>)
  func ranksHoldContiguousMicroBatchesThatCoverTheBatch(seed: UInt64) {
    let plan = randomPlan(seed)
    for batch in batches(of: plan, epoch: 0) {
      #expect(batch.microBatches.count == plan.microBatchCount)
      for rankCount in Self.rankCounts {
        let ranges = (0..<rankCount).map {
          batch.microBatchRange(rank: $0, rankCount: rankCount)
        }
        #expect(ranges.flatMap(Array.init) == Array(batch.microBatches.indices), "seed \(seed)")
        let sizes = ranges.map(\.count)
        #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1, "seed \(seed)")
      }
    }
  }

  @Test(arguments: 0..<100 as Range<UInt64>)
  func countsAreThoseOfTheDialogues(seed: UInt64) {
    let plan = randomPlan(seed)
    for batch in batches(of: plan, epoch: 1) {
      let lengths = batch.dialogues.map { plan.dialogueLengths[$0] }
      #expect(batch.utteranceCount == lengths.reduce(0, +))
      #expect(batch.pairedUtteranceCount == lengths.filter { $0 > 1 }.reduce(0, +))
      // Inside a micro-batch the order is that of the batch.
      for part in batch.microBatches {
        let positions = part.compactMap(batch.dialogues.firstIndex(of:))
        #expect(positions == positions.sorted(), "seed \(seed)")
      }
    }
  }

  @Test func microBatchesBeyondTheDialoguesAreEmpty() {
    let batch = GlobalBatch(dialogues: [1, 0], dialogueLengths: [4, 6], microBatchCount: 5)
    #expect(batch.microBatches.filter(\.isEmpty).count == 3)
    #expect(batch.microBatches.flatMap(\.self).sorted() == [0, 1])
  }

  /// The cut depends on the lengths of the batch only, not on which dialogues have them.
  @Test func cutIsAFunctionOfTheLengths() {
    let lengths = [5, 3, 9, 5, 1, 9, 2]
    let first = GlobalBatch(
      dialogues: Array(0..<7), dialogueLengths: lengths, microBatchCount: 3)
    let second = GlobalBatch(
      dialogues: (0..<7).map { 10 + $0 }, dialogueLengths: Array(repeating: 1, count: 10) + lengths,
      microBatchCount: 3)
    #expect(second.microBatches.map { $0.map { $0 - 10 } } == first.microBatches)
    // Longest first: 9 | 9 | 5 5, then 3 to the first, 2 to the second, 1 to the last of them.
    #expect(first.microBatches == [[1, 2], [5, 6], [0, 3, 4]])
  }

  /// Two micro-batches of 16 dialogues of MELD's lengths must be nearly equal, or one rank waits
  /// for the other: the mean gap over 1,000 batches stays below one utterance, the widest below
  /// five.
  @Test func twoMicroBatchesOfSixteenDialoguesBalance() {
    var stream = RandomStream(seed: 1, purpose: "balance-test")
    let choices = BenchmarkWorkload.dialogueLengths
    var gaps: [Int] = []
    for _ in 0..<1000 {
      let lengths = (0..<16).map { _ in choices[stream.nextInteger(below: choices.count)] }
      let loads = MicroBatchBalance.cut(lengths: lengths, into: 2).map { part in
        part.reduce(0) { $0 + lengths[$1] }
      }
      gaps.append(abs(loads[0] - loads[1]))
    }
    #expect(gaps.reduce(0, +) < 1000)
    #expect(gaps.allSatisfy { $0 < 5 })
  }
}
