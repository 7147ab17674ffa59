import DFERCModel
import DataParallel
import DialogueData
import Foundation
import JobControl
import TensorCore

/// Finds out, after a step that was not finite, which ranks and dialogues made it so.
///
/// A sum over ranks does not tell whose term was not finite, so every rank computes its share of the
/// step again, from the state that the step has left unchanged, and looks at it before any sum.
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

  /// Names the ranks and dialogues; collective, and the text is the same on every rank.
  ///
  /// - Parameters:
  ///   - batch: the batch of the step.
  ///   - split: the training split.
  ///   - randomness: the dropout of the step; nil for none.
  /// - Returns: such as `rank 1 (gradient of d7, d9)`.
  package func culprits(
    _ batch: GlobalBatch, of split: Split, randomness: Dropout.Randomness?
  ) throws -> String {
    let parts = try engine.computeShare(batch, of: split, randomness: randomness)
    let finding = look(at: parts, split)
    engine.prototypes.discard()
    let own = try finding.map { [UInt8](try JSONEncoder().encode($0)) } ?? []
    let findings = try team.collective.gather(own, to: 0).map {
      try? JSONDecoder().decode(Finding.self, from: Data($0))
    }
    let names = batch.dialogues.map { split.dialogues[$0].id }
    return try team.shared(Self.text(findings, all: names))
  }

  /// Names the ranks whose trouble is the earliest: the prototypes carry it on to all the others.
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

  private func look(at parts: LossParts, _ split: Split) -> Finding? {
    let pass = engine.pass
    func names(_ positions: some Sequence<Int>) -> [String] {
      positions.map { split.dialogues[pass.dialogues[$0]].id }
    }
    let logits = pass.prediction.logits.value
    let broken = pass.dialogues.indices.filter { position in
      pass.rows(of: position).contains { row in
        !(0..<logits.columns).allSatisfy { logits.row(row)[$0].isFinite }
      }
    }
    if !broken.isEmpty { return Finding(part: .prediction, dialogues: names(broken)) }
    let everything = names(pass.dialogues.indices)
    guard parts.total(engine.model.options.loss).isFinite else {
      return Finding(part: .loss, dialogues: everything)
    }
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
