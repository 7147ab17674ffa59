import Files

/// Another rank's trouble, which has become this rank's too.
///
/// The rank that is in trouble throws its own error; all others throw this one. Both end with the
/// same exit code, and only the failing rank need speak.
package struct PeerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The rank that failed.
  package let rank: Int

  /// The exit code that all ranks are to end with.
  package let code: Int32

  /// What that rank said.
  package let message: String

  /// The whole message.
  package var description: String { "rank \(rank): \(message)" }

  /// Makes the error.
  package init(rank: Int, code: Int32, message: String) {
    self.rank = rank
    self.code = code
    self.message = message
  }
}

extension PeerError: ExitStatusError {
  package var exitStatus: ExitStatus { ExitStatus(rawValue: code) ?? .bug }
}
