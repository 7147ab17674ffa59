import Files

/// A run folder that this job cannot use, or can no longer use.
package struct RunFolderError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file or folder at fault.
  package let place: String

  /// What happened, without a full stop.
  package let reason: String

  /// What to do about it, as a whole sentence.
  package let cure: String

  /// - Parameters:
  ///   - place: the file or folder at fault.
  ///   - reason: what happened, without a full stop.
  ///   - cure: what to do about it, as a whole sentence.
  package init(place: String, reason: String, cure: String) {
    self.place = place
    self.reason = reason
    self.cure = cure
  }

  /// The full message: place, reason and cure on one line.
  package var description: String { "\(place): \(reason). \(cure)" }
}

extension RunFolderError: ExitStatusError {
  package var exitStatus: ExitStatus { .storage }
}
