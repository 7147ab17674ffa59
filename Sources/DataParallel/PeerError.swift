/// Another rank's trouble, which has become this rank's too.
///
/// The rank that is in trouble throws its own error; all others throw this one. Both end with the
/// same exit code, and only the failing rank need speak.
public struct PeerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The rank that failed.
  public let rank: Int

  /// The exit code that all ranks are to end with.
  public let code: Int32

  /// What that rank said.
  public let message: String

  /// The whole message.
  public var description: String { "rank \(rank): \(message)" }

  /// Makes the error.
  public init(rank: Int, code: Int32, message: String) {
    self.rank = rank
    self.code = code
    self.message = message
  }
}
