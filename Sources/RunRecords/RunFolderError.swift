import Files

/// A run folder that this job cannot use or has lost.
package struct RunFolderError: ExplainedError {
  /// The file or folder at fault.
  package let place: String

  package let reason: String
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

  package var location: String? { place }

  package var exitStatus: ExitStatus { .storage }
}
