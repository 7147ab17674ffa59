import DialogueData
import Foundation
import JobControl
import NeuralNet

/// The prediction of a model for one utterance of a split.
package struct UtterancePrediction: Codable, Sendable, Equatable {
  /// The dialogue, as an index in file order.
  package let dialogue: Int
  /// The position in the dialogue, from 0.
  package let utterance: Int
  /// The class in the data; nil for an unlabelled utterance.
  package let label: Int?
  /// The most probable class, the first among equals.
  package let predicted: Int
  /// The probability of every class. `[K]`
  package let probabilities: [Float]
  /// The columns of all extras of the model, concatenated. `[E]`
  package let extras: [Float]
}

extension Evaluator {
  /// The predictions for this rank's share of a split, in file order.
  ///
  /// - Parameters:
  ///   - split: the split, with labels or without.
  ///   - groupLimit: the largest number of groups of dialogues; nil for all.
  package func predictions(
    of split: Split, groupLimit: Int? = nil
  ) throws -> [UtterancePrediction] {
    let plan = EvaluationPlan(dialogueLengths: split.dialogueLengths)
    let groups = groupLimit.map { Array(plan.groups.prefix($0)) } ?? plan.groups
    var predictions: [UtterancePrediction] = []
    try forEachOwnGroup(groups, of: split) { _, probabilities, prediction in
      for (position, dialogue) in loader.dialogues.enumerated() {
        for (utterance, row) in loader.rows(of: position).enumerated() {
          let scores = probabilities.row(row)
          let label = loader.labels[row]
          predictions.append(
            UtterancePrediction(
              dialogue: dialogue, utterance: utterance,
              label: label == Split.unlabelled ? nil : label,
              predicted: Self.argmax(scores, count: probabilities.columns),
              probabilities: (0..<probabilities.columns).map { scores[$0] },
              extras: prediction.extras.map { $0.pointer[row] }))
        }
      }
    }
    return predictions
  }

  /// The predictions for a whole split in file order, on rank 0; empty elsewhere; collective.
  package func gatheredPredictions(
    of split: Split, groupLimit: Int? = nil, _ team: RankTeam
  ) throws -> [UtterancePrediction] {
    let own = try team.together("predicting") {
      try JSONEncoder().encode(predictions(of: split, groupLimit: groupLimit))
    }
    let all = try team.collective.gather([UInt8](own), to: 0)
    return try team.onRootOnly("collecting the predictions") {
      try all.flatMap { try JSONDecoder().decode([UtterancePrediction].self, from: Data($0)) }
    } ?? []
  }
}
