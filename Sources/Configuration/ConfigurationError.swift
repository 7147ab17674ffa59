import Files

/// An invalid run configuration and its cure.
package struct ConfigurationError: ExplainedError {
  /// Where the value was given: `file:line`, `--set` or a flag; nil for the configuration as a whole.
  package let place: String?

  /// The dotted name of the invalid key; nil if no single key is invalid.
  package let key: String?

  package let reason: String
  package let cure: String

  /// Creates an error from its four parts.
  package init(place: String?, key: String?, reason: String, cure: String) {
    self.place = place
    self.key = key
    self.reason = reason
    self.cure = cure
  }

  package var location: String? {
    // A flag and its key are separated by a space, as on the command line.
    let separator = place?.hasPrefix("--") == true ? " " : ": "
    let location = [place, key].compactMap { $0 }.joined(separator: separator)
    return location.isEmpty ? nil : location
  }

  package var exitStatus: ExitStatus { .configuration }
}
