import DataParallel
import DialogueData
import Foundation
import JobControl
import TensorCore

/// Finds the ranks and dialogues whose losses or gradients made a step non-finite.
///
/// The sum over ranks does not show which term was non-finite, so every rank recomputes its share of
/// the step from the state, which is unchanged, and checks it before the all-reduce.
package struct NonFiniteSearch {
  /// The first non-finite part in the share of one rank.
  private struct Finding: Codable {
    /// In the order of computation, in which non-finite values propagate.
    enum Part: String, Codable, CaseIterable {
      case prediction, loss, gradient
    }

    let part: Part
    /// The ids of the dialogues with such predictions, or of all dialogues of the rank.
    let dialogues: [String]
  }

  /// The largest number of dialogues named for one rank.
  private static let longestList = 20

  package let engine: GradientEngine
  package let team: RankTeam

  /// The error that names the ranks and dialogues, equal on every rank; collective.
  ///
  /// - Parameters:
  ///   - split: the training split.
  ///   - step: the number of the step, from 1.
  /// - Returns: an error at a place such as `step 4, rank 1 (gradient of d7, d9)`.
  package func error(
    of outcome: TrainingStep.Outcome, _ batch: GlobalBatch, of split: Split, seed: UInt64,
    step: Int
  ) throws -> TrainingError {
    let dropout = Dropout.Randomness(of: engine.model, seed: seed, step: step - 1)
    let places = try places(batch, of: split, randomness: dropout)
    return TrainingError(
      kind: .notFinite, place: "step \(step), \(places)",
      reason: "\(outcome.loss.isFinite ? "the gradient" : "the loss") is NaN or infinite",
      cure: "Lower optimizer.learningRate, and look at the features of these dialogues.")
  }

  private func places(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws -> String {
    try engine.computeShare(batch, of: split, randomness: randomness)
    let finding = finding(in: split)
    engine.buffers.discard()
    let own = try finding.map { [UInt8](try JSONEncoder().encode($0)) } ?? []
    let findings = try team.collective.gather(own, to: 0).map {
      try? JSONDecoder().decode(Finding.self, from: Data($0))
    }
    let names = batch.dialogues.map { split.dialogues[$0].id }
    return try team.broadcast(Self.text(findings, all: names))
  }

  /// Names the ranks with the earliest part: sums over the batch propagate it to all others.
  private static func text(_ findings: [Finding?], all names: [String]) -> String {
    for part in Finding.Part.allCases {
      let texts = findings.enumerated().compactMap { rank, finding in
        finding?.part == part
          ? "rank \(rank) (\(part) of \(list(finding?.dialogues ?? [])))" : nil
      }
      if !texts.isEmpty { return texts.joined(separator: ", ") }
    }
    return "the sum over ranks, none of which is at fault alone (\(list(names)))"
  }

  private func finding(in split: Split) -> Finding? {
    let loader = engine.loader
    func names(_ positions: some Sequence<Int>) -> [String] {
      positions.map { split.dialogues[loader.dialogues[$0]].id }
    }
    guard let logits = engine.prediction?.logits.value else { return nil }
    let broken = loader.dialogues.indices.filter { position in
      loader.rows(of: position).contains { row in
        !(0..<logits.columns).allSatisfy { logits.row(row)[$0].isFinite }
      }
    }
    if !broken.isEmpty { return Finding(part: .prediction, dialogues: names(broken)) }
    let everything = names(loader.dialogues.indices)
    guard engine.loss.isFinite else { return Finding(part: .loss, dialogues: everything) }
    return engine.gradients.elements.allFinite
      ? nil : Finding(part: .gradient, dialogues: everything)
  }

  private static func list(_ names: [String]) -> String {
    let rest = names.count - longestList
    return names.prefix(longestList).joined(separator: ", ")
      + (rest > 0 ? " and \(rest) more" : "")
  }
}

extension UnsafeMutableBufferPointer<Float> {
  /// Whether no element is NaN or infinite.
  package var allFinite: Bool {
    // Bit patterns of magnitudes are ordered like the magnitudes, infinity and NaN last.
    var largest: UInt32 = 0
    for value in self { largest = Swift.max(largest, value.bitPattern & 0x7fff_ffff) }
    return largest < Float.infinity.bitPattern
  }
}
