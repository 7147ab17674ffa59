/// What one rank proposes to do next.
package enum Vote: Sendable, Equatable {
  /// Continue.
  case proceed
  /// Save a checkpoint, then end the run.
  case stop
  /// End with an exit code from 1 to 255.
  case fail(code: Int32, message: String)
}

/// What all ranks do next: the most severe of their votes.
package struct Decision: Sendable, Equatable {
  /// The kinds of votes, in ascending severity.
  package enum Kind: Int64, Sendable, Comparable {
    case proceed
    case stop
    case fail

    /// Whether `left` is less severe than `right`.
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  /// What to do.
  package let kind: Kind

  /// The rank whose vote was chosen, the lowest of equals; nil if all voted to proceed.
  package let rank: Int?

  /// The exit code of a failure, else 0.
  package let code: Int32

  /// The reason of a failure, truncated to 1024 bytes; else empty.
  package let message: String

  /// - Parameters:
  ///   - kind: what to do.
  ///   - rank: the rank whose vote was chosen; nil if all voted to proceed.
  ///   - code: the exit code of a failure, else 0.
  ///   - message: the reason of a failure, else empty.
  package init(kind: Kind, rank: Int?, code: Int32, message: String) {
    self.kind = kind
    self.rank = rank
    self.code = code
    self.message = message
  }
}

/// Reduces the votes of all ranks to one decision, the same on every rank.
///
/// It costs one reduction of a single word, and a broadcast of the reason after a failure. A vote
/// that is not chosen is discarded: a rank that still has to stop votes again at the next step.
package final class Agreement {
  private let collective: any Collective
  private let word: UnsafeMutableBufferPointer<Int64>
  private static let messageBytes = 1024

  /// Allocates the word that is reduced over the ranks of a collective.
  package init(_ collective: any Collective) {
    self.collective = collective
    word = .allocate(capacity: 1)
    word.initialize(repeating: 0)
  }

  deinit { word.deallocate() }

  /// Returns the most severe vote.
  ///
  /// Collective: every rank must call it at the same place, and it blocks until all have. Of
  /// several failures, that of the highest exit code is chosen, then that of the lowest rank.
  package func decide(local vote: Vote) throws -> Decision {
    word[0] = Word(vote, rank: collective.rank).bits
    try collective.allReduceMax(word)
    let agreed = Word(bits: word[0])
    let message = agreed.kind == .fail ? try broadcastReason(vote, from: agreed.rank) : ""
    return Decision(
      kind: agreed.kind, rank: agreed.kind == .proceed ? nil : agreed.rank, code: agreed.code,
      message: message)
  }

  /// Runs a closure on every rank; if it fails on one, it fails on all.
  ///
  /// Collective: every rank must call it at the same place. The closure must not call the
  /// collective: a rank that throws would leave the others waiting in it.
  ///
  /// - Parameters:
  ///   - phase: What the closure does, in two or three words, for the message.
  ///   - exitCode: Returns the exit code of an error.
  ///   - body: The closure.
  /// - Throws: The error of the closure where it failed, ``PeerError`` on all other ranks. If
  ///   several failed, each throws its own.
  package func together<Value>(
    _ phase: String, exitCode: (any Error) -> Int32, _ body: () throws -> Value
  ) throws -> Value {
    try decide(phase, wish: { .proceed }, exitCode: exitCode, body).value
  }

  /// Runs a closure as ``together(_:exitCode:_:)`` does and agrees on what to do next.
  ///
  /// - Parameters:
  ///   - phase: What the closure does, in two or three words, for the message.
  ///   - wish: Returns the vote of this rank if the closure succeeds; called after it, so that a
  ///     request that arrives meanwhile counts for all ranks or for none.
  ///   - exitCode: Returns the exit code of an error.
  ///   - body: The closure.
  /// - Returns: The value of the closure, and the most severe vote of all ranks.
  /// - Throws: As ``together(_:exitCode:_:)``.
  package func decide<Value>(
    _ phase: String, wish: () -> Vote, exitCode: (any Error) -> Int32,
    _ body: () throws -> Value
  ) throws -> (value: Value, decision: Decision) {
    let result = Result(catching: body)
    let vote: Vote =
      switch result {
      case .success: wish()
      case .failure(let error): .fail(code: exitCode(error), message: "\(phase): \(error)")
      }
    let decision = try decide(local: vote)
    if decision.kind == .fail, case .success = result {
      throw PeerError(
        rank: decision.rank ?? 0, code: decision.code, message: decision.message)
    }
    return (try result.get(), decision)
  }

  /// Broadcasts the reason of the rank whose vote was chosen.
  private func broadcastReason(_ vote: Vote, from root: Int) throws -> String {
    let text = if case .fail(_, let message) = vote { Array(message.utf8) } else { [UInt8]() }
    var bytes = [UInt8](repeating: 0, count: Self.messageBytes)
    bytes.replaceSubrange(..<min(text.count, bytes.count), with: text.prefix(bytes.count))
    try bytes.withUnsafeMutableBytes { try collective.broadcast($0, from: root) }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// A vote and its rank in one integer, ordered by severity, then code, then descending rank.
private struct Word {
  let kind: Decision.Kind
  let code: Int32
  let rank: Int

  private static let rankMask: Int64 = 0xffff_ffff

  init(_ vote: Vote, rank: Int) {
    self.rank = rank
    switch vote {
    case .proceed: (kind, code) = (.proceed, 0)
    case .stop: (kind, code) = (.stop, 0)
    case .fail(let failure, _):
      precondition(1...255 ~= failure, "\(failure) is not the exit code of a failure")
      (kind, code) = (.fail, failure)
    }
  }

  init(bits: Int64) {
    kind = Decision.Kind(rawValue: bits >> 48) ?? .fail
    code = Int32(truncatingIfNeeded: bits >> 32 & 0xff)
    rank = Int(Self.rankMask - bits & Self.rankMask)
  }

  var bits: Int64 {
    kind.rawValue << 48 | Int64(code) << 32 | (Self.rankMask - Int64(rank))
  }
}
