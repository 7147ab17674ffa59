/// A file that is not a safetensors file, is damaged, or does not contain the requested data.
package struct SafetensorsError: ExplainedError {
  /// The file.
  package let path: String

  /// Where in the file: `header`, `header byte 17`, or a tensor's name.
  package let place: String

  /// What is wrong, with the reference implementation's name of the error, if it has one.
  package let reason: String
  package let cure: String

  /// Describes what is wrong with a file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - place: where in the file.
  ///   - reason: what is wrong.
  ///   - cure: what the user can do about it.
  package init(path: String, place: String, reason: String, cure: String) {
    self.path = path
    self.place = place
    self.reason = reason
    self.cure = cure
  }

  package var location: String? { "\(path), \(place)" }

  package var exitStatus: ExitStatus { .badInput }

  /// An error of the whole file.
  package static func damaged(_ path: String, _ place: String, _ reason: String) -> SafetensorsError
  {
    SafetensorsError(
      path: path, place: place, reason: reason,
      cure: "The file is damaged or not a safetensors file; get it or write it again.")
  }
}
