import Files

/// The message of an error that ends the program.
package enum ErrorMessage {
  /// The line for standard error.
  ///
  /// - Parameters:
  ///   - error: the error.
  ///   - rank: the rank that prints the line; its number is part of it unless it is 0.
  package static func line(for error: any Error, rank: Int = 0) -> String {
    let isNamed = rank == 0 || error is LocatedError
    let speaker = isNamed ? "dferc-dist" : "dferc-dist (rank \(rank))"
    return "\(speaker): \(text(of: error))"
  }

  /// The largest number of Unicode scalars of a message.
  private static let longestMessage = 10_000

  /// An error on one line, without program name and rank, as in `log.txt`.
  package static func text(of error: any Error) -> String {
    if let error = error as? LocatedError { return "\(error.place): \(text(of: error.cause))" }
    let text = String(describing: error).split(whereSeparator: \.isNewline).joined(separator: " ")
      .excerpt(limit: longestMessage)
    guard ExitStatus(error) == .bug else { return text }
    return "this is a bug in dferc-dist: \(text). "
      + "Please report it with the command line and log.txt."
  }
}
