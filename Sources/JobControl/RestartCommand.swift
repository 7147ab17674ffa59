/// The command line that resumes a stopped run.
package enum RestartCommand {
  /// The options that are left out, with their values.
  private static let dropped = ["--resume", "--inject-fault"]

  /// The same command line with `--resume auto`, quoted for a shell.
  ///
  /// - Parameter arguments: the arguments of this process, the program's name first.
  package static func text(_ arguments: [String]) -> String {
    var kept: [String] = []
    var skipsNext = false
    for argument in arguments {
      if skipsNext {
        skipsNext = false
      } else if dropped.contains(argument) {
        skipsNext = true
      } else if !dropped.contains(where: { argument.hasPrefix("\($0)=") }) {
        kept.append(argument)
      }
    }
    return (kept + ["--resume", "auto"]).map(quoted).joined(separator: " ")
  }

  private static func quoted(_ argument: String) -> String {
    let isPlain = argument.unicodeScalars.allSatisfy {
      $0.isASCII
        && ($0.properties.isAlphabetic || "0123456789_./:=,@%+-".unicodeScalars.contains($0))
    }
    if isPlain, !argument.isEmpty { return argument }
    return "'"
      + argument.split(separator: "'", omittingEmptySubsequences: false)
      .joined(separator: "'\\''") + "'"
  }
}
