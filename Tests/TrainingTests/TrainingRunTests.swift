import DialogueData
import RunRecords
import Testing

@testable import Training

/// Runs started from code, as experiments start them.
@Suite("Runs from code")
struct TrainingRunTests {
  @Test("A process performs several runs in turn, with results and predictions")
  func inTurn() throws {
    let rig = try TrainingRig()
    let short = ["train.maxSteps": "3", "train.epochs": "1"]
    let runs = [
      (output: "one", settings: short),
      (output: "two", settings: short.merging(["train.seed": "7"]) { $1 }),
      (output: "one", settings: short),
    ]
    let splits: [SplitName] = [.validation, .test]
    let endings = try rig.trainInTurn(runs, ranks: 2, predicting: splits)
    let alone = try rig.trainInTurn(
      [(output: "alone", settings: short)], ranks: 1, predicting: splits)
    guard case .finished(let one) = endings[0][0], case .finished(let two) = endings[0][1],
      case .finishedBefore(let again) = endings[0][2], case .finished(let single) = alone[0][0],
      case .finished(let other) = endings[1][0]
    else {
      Issue.record("a run has an unexpected ending")
      return
    }
    for split in splits {
      let report = split == .test ? one.result.test : one.result.validation
      let predictions = one.predictions[split] ?? []
      #expect(predictions.count == report.utterances)
      let correct = predictions.count { $0.predicted == $0.label }
      #expect(Double(correct) / Double(predictions.count) == report.accuracy)
      let places = predictions.map { [$0.dialogue, $0.utterance] }
      #expect(places == places.sorted { $0.lexicographicallyPrecedes($1) })
    }
    #expect(again.predictions == one.predictions && single.predictions == one.predictions)
    #expect(two.predictions != one.predictions)
    #expect(other.predictions.values.allSatisfy { $0.isEmpty })
    #expect(other.result.test == one.result.test)
  }
}
