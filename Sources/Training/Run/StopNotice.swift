import JobControl

/// The last line of a run that was stopped on request.
package struct StopNotice: CustomStringConvertible {
  package let description: String

  /// - Parameters:
  ///   - step: the number of steps done.
  ///   - steps: the number of steps of the whole run; nil before it is known.
  ///   - arguments: the command line of this process.
  package init(
    _ request: RunRequest, step: Int, steps: Int?,
    arguments: [String] = CommandLine.arguments
  ) {
    let place =
      step == 0
      ? "before the first step; nothing was trained"
      : "after step \(step)\(steps.map { " of \($0)" } ?? "")"
    let command = RestartCommand.text(arguments)
    if request.isFastDevelopmentRun {
      description = "stopped on request, in good order, \(place); a dry run keeps nothing."
    } else {
      let saved = step == 0 ? "" : ", which is saved"
      description =
        "stopped on request, in good order, \(place)\(saved). "
        + "To go on, start it again as before but with: \(command)"
    }
  }
}
