import TensorCore
import Testing

@testable import DialogueData

@Suite struct EvaluationPlanTests {
  @Test func groupsFillUpToTheBudget() {
    let plan = EvaluationPlan(dialogueLengths: [4, 4, 3, 12, 1, 9, 1], utterancesPerGroup: 10)
    #expect(plan.groups == [0..<2, 2..<3, 3..<4, 4..<6, 6..<7])
  }

  @Test func noDialoguesNoGroups() {
    #expect(EvaluationPlan(dialogueLengths: []).groups.isEmpty)
  }

  @Test(arguments: 0..<50 as Range<UInt64>)
  func everyDialogueIsInOneGroup(seed: UInt64) {
    var stream = RandomStream(seed: seed, purpose: "evaluation-test")
    let lengths = (0..<stream.nextInteger(below: 50)).map { _ in
      1 + stream.nextInteger(below: 40)
    }
    let budget = 1 + stream.nextInteger(below: 100)
    let plan = EvaluationPlan(dialogueLengths: lengths, utterancesPerGroup: budget)
    #expect(plan.groups.flatMap(Array.init) == Array(lengths.indices), "seed \(seed)")
    for group in plan.groups {
      let load = group.reduce(0) { $0 + lengths[$1] }
      #expect(group.count == 1 || load <= budget, "seed \(seed)")
    }
  }
}
