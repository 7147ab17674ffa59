/// An error that a user can act on: it names the place, the reason and the cure, on one line.
///
/// A type declares what its location consists of; the message is the same for all of them.
package protocol ExplainedError: ExitStatusError, Sendable, Equatable, CustomStringConvertible {
  /// Where something is wrong, such as a path, a flag or a rank; nil where there is no place to name.
  var location: String? { get }

  /// What is wrong there, without a full stop.
  var reason: String { get }

  /// What to do about it, in whole sentences.
  var cure: String { get }
}

extension ExplainedError {
  /// The whole message: location, reason and cure.
  package var description: String {
    (location.map { "\($0): " } ?? "") + "\(reason). \(cure)"
  }
}
