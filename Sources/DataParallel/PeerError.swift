import Files

/// The failure of another rank, which ends this rank too.
///
/// The rank that fails throws its own error; all others throw this one. All end with the same exit
/// code, and only the failing rank prints a message.
package struct PeerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The rank that failed.
  package let rank: Int

  /// The exit code of all ranks.
  package let code: Int32

  /// The message of that rank.
  package let message: String

  /// The whole message.
  package var description: String { "rank \(rank): \(message)" }

  /// Creates the error.
  package init(rank: Int, code: Int32, message: String) {
    self.rank = rank
    self.code = code
    self.message = message
  }
}

extension PeerError: ExitStatusError {
  package var exitStatus: ExitStatus { ExitStatus(rawValue: code) ?? .bug }
}
