/// What one rank would like to happen next.
package enum Vote: Sendable, Equatable {
  /// Go on.
  case proceed
  /// Save a checkpoint, then end in good order.
  case stop
  /// End with an exit code from 1 to 255.
  case fail(code: Int32, message: String)
}

/// What all ranks do next: the most severe of their votes.
package struct Decision: Sendable, Equatable {
  /// The kinds of votes, by rising severity.
  package enum Kind: Int64, Sendable, Comparable {
    case proceed
    case stop
    case fail

    /// Whether `left` is less severe than `right`.
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  /// What to do.
  package let kind: Kind

  /// The rank whose vote won, the lowest of equals; nil where nobody asked for anything.
  package let rank: Int?

  /// The exit code of a failure, else 0.
  package let code: Int32

  /// What that rank gave as the reason of a failure, cut after about 1000 bytes; else empty.
  package let message: String

  /// - Parameters:
  ///   - kind: what to do.
  ///   - rank: the rank whose vote won.
  ///   - code: the exit code of a failure.
  ///   - message: the reason of a failure.
  package init(kind: Kind, rank: Int?, code: Int32, message: String) {
    self.kind = kind
    self.rank = rank
    self.code = code
    self.message = message
  }
}

/// Turns the votes of all ranks into one decision, the same everywhere.
///
/// It costs one reduction of a single word, and a broadcast of the reason where something is wrong.
/// A vote that loses is gone: who still wants to stop votes so again at the next step.
package final class Agreement {
  private let collective: any Collective
  private let word: UnsafeMutableBufferPointer<Int64>
  private static let messageBytes = 1024

  /// Prepares decisions of the collective's ranks.
  package init(_ collective: any Collective) {
    self.collective = collective
    word = .allocate(capacity: 1)
    word.initialize(repeating: 0)
  }

  deinit { word.deallocate() }

  /// Returns the most severe vote.
  ///
  /// Collective: every rank must call it at the same place, and it blocks until all have. Of
  /// failures, the highest exit code wins, then the lowest rank.
  package func decide(local vote: Vote) throws -> Decision {
    word[0] = Word(vote, rank: collective.rank).bits
    try collective.allReduceMax(word)
    let agreed = Word(bits: word[0])
    let message = agreed.kind == .fail ? try spread(vote, from: agreed.rank) : ""
    return Decision(
      kind: agreed.kind, rank: agreed.kind == .proceed ? nil : agreed.rank, code: agreed.code,
      message: message)
  }

  /// Runs a piece of work on every rank, and fails on all of them where it fails on one.
  ///
  /// Collective: every rank must call it at the same place. The work itself must not call the
  /// collective, for a rank that throws would leave the others waiting inside it.
  ///
  /// - Parameters:
  ///   - phase: What is being done, in two or three words, for the message.
  ///   - exitCode: The exit code of an error.
  ///   - body: The work.
  /// - Throws: The work's own error where it failed, ``PeerError`` on all other ranks. Where
  ///   several failed, each throws its own.
  package func together<Value>(
    _ phase: String, exitCode: (any Error) -> Int32, _ body: () throws -> Value
  ) throws -> Value {
    try decide(phase, wish: { .proceed }, exitCode: exitCode, body).value
  }

  /// Runs a piece of work as ``together(_:exitCode:_:)`` does and agrees on what to do next.
  ///
  /// - Parameters:
  ///   - phase: What is being done, in two or three words, for the message.
  ///   - wish: What this rank votes for where its work succeeds; asked after the work, for a request
  ///     that comes meanwhile must count for all ranks or for none.
  ///   - exitCode: The exit code of an error.
  ///   - body: The work.
  /// - Returns: What the work returned, and the most severe wish of all ranks.
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

  /// Sends the argmax's reason to all ranks.
  private func spread(_ vote: Vote, from argmax: Int) throws -> String {
    let text = if case .fail(_, let message) = vote { Array(message.utf8) } else { [UInt8]() }
    var bytes = [UInt8](repeating: 0, count: Self.messageBytes)
    bytes.replaceSubrange(..<min(text.count, bytes.count), with: text.prefix(bytes.count))
    try bytes.withUnsafeMutableBytes { try collective.broadcast($0, from: argmax) }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// A vote and its rank in one integer that grows with severity, then code, then nearness to rank 0.
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
