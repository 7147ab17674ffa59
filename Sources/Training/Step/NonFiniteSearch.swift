import DataParallel
import DialogueData
import Foundation
import JobControl
import TensorCore

/// Finds the ranks and dialogues that made a step not finite.
///
/// A sum over ranks does not show whose term was not finite, so every rank computes its share of the
/// step again, from the state that the step has left unchanged, and checks it before the all-reduce.
package struct NonFiniteSearch {
  /// What is not finite in the share of one rank.
  private struct Finding: Codable {
    /// In their order, for what is later follows from what is earlier.
    enum Part: String, Codable, CaseIterable {
      case prediction, loss, gradient
    }

    /// The first part of the step that is not finite.
    let part: Part
    /// The ids of the dialogues that it belongs to, as closely as is known.
    let dialogues: [String]
  }

  /// The most dialogues that are named for one rank.
  private static let longestList = 20

  package let engine: GradientEngine
  package let team: RankTeam

  /// The error that names the ranks and dialogues; collective, and the same on every rank.
  ///
  /// - Parameters:
  ///   - outcome: of the step.
  ///   - batch: the batch of the step.
  ///   - split: the training split.
  ///   - seed: of the run.
  ///   - step: the number of the step, from 1.
  /// - Returns: an error at a place such as `step 4, rank 1 (gradient of d7, d9)`.
  package func error(
    of outcome: TrainingStep.Outcome, _ batch: GlobalBatch, of split: Split, seed: UInt64,
    step: Int
  ) throws -> TrainingError {
    let dropout = Dropout.Randomness(of: engine.model, seed: seed, step: step - 1)
    let culprits = try culprits(batch, of: split, randomness: dropout)
    return TrainingError(
      kind: .notFinite, place: "step \(step), \(culprits)",
      reason: "\(outcome.loss.isFinite ? "the gradient" : "the loss") is NaN or infinite",
      cure: "Lower optimizer.learningRate, and look at the features of these dialogues.")
  }

  private func culprits(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws -> String {
    try engine.computeShare(batch, of: split, randomness: randomness)
    let finding = look(split)
    engine.buffers.discard()
    let own = try finding.map { [UInt8](try JSONEncoder().encode($0)) } ?? []
    let findings = try team.collective.gather(own, to: 0).map {
      try? JSONDecoder().decode(Finding.self, from: Data($0))
    }
    let names = batch.dialogues.map { split.dialogues[$0].id }
    return try team.broadcast(Self.text(findings, all: names))
  }

  /// Names the ranks with the earliest finding: sums over the batch carry it to all the others.
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

  private func look(_ split: Split) -> Finding? {
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
    // The bits of magnitudes are ordered as the magnitudes are, with infinity and NaN at the end.
    var largest: UInt32 = 0
    for value in self { largest = Swift.max(largest, value.bitPattern & 0x7fff_ffff) }
    return largest < Float.infinity.bitPattern
  }
}
