import Files

/// The text by which an error ends the program.
package enum ErrorMessage {
  /// The one line that standard error gets for an error.
  ///
  /// - Parameters:
  ///   - error: the error.
  ///   - rank: the rank that speaks; a rank other than 0 says its number.
  package static func line(for error: any Error, rank: Int = 0) -> String {
    let isNamed = rank == 0 || error is LocatedError
    let speaker = isNamed ? "dferc-dist" : "dferc-dist (rank \(rank))"
    return "\(speaker): \(text(of: error))"
  }

  /// Longer than any message that is to be read, with the longest paths.
  private static let longestMessage = 10_000

  /// An error on one line, without a speaker, as `log.txt` gets it.
  package static func text(of error: any Error) -> String {
    if let error = error as? LocatedError { return "\(error.place): \(text(of: error.cause))" }
    let text = String(describing: error).split(whereSeparator: \.isNewline).joined(separator: " ")
      .excerpt(limit: longestMessage)
    guard ExitStatus(error) == .bug else { return text }
    return "this is a bug in dferc-dist: \(text). "
      + "Please report it with the command line and log.txt."
  }
}
