/// The exit codes of the program.
package enum ExitStatus: Int32, CaseIterable, Sendable {
  /// The command succeeded.
  case done = 0
  /// The command line cannot be carried out.
  case usage = 64
  /// Data or a checkpoint is bad.
  case badInput = 65
  /// A named input does not exist.
  case missingInput = 66
  /// The program has a bug.
  case bug = 70
  /// The storage failed: the disk is full, or permission is missing.
  case storage = 74
  /// The run was stopped on request and can be resumed.
  case stopped = 75
  /// The ranks differ in program, configuration, data or parameters.
  case disagreement = 76
  /// The configuration is bad.
  case configuration = 78
  /// A loss or a gradient became NaN or infinite.
  case notFinite = 79
  /// A rank made no progress.
  case stalled = 80
}

/// An error that states the exit code that it ends the program with.
///
/// An error without this protocol is unexpected and counts as a bug.
package protocol ExitStatusError: Error {
  /// The status that the error ends the program with.
  var exitStatus: ExitStatus { get }
}

extension ExitStatus {
  /// The status that an error ends the program with.
  package init(_ error: any Error) {
    self = (error as? any ExitStatusError)?.exitStatus ?? .bug
  }
}
