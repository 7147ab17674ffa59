import Files
import TensorCore

/// A dataset that cannot be used.
package struct DataError: ExplainedError {
  /// The kinds of errors, which have different exit codes.
  package enum Kind: Sendable, Equatable {
    /// A folder or file that was named, or that a dataset must have, does not exist.
    case missing

    /// The data exists but is invalid.
    case bad
  }

  /// The kind of error.
  package let kind: Kind

  /// The file or folder.
  package let file: String

  /// Where in the file: line, dialogue, utterance, tensor, row, column or field.
  package let place: String?

  package let reason: String
  package let cure: String

  /// Describes an error of one file.
  package init(kind: Kind = .bad, file: String, place: String? = nil, reason: String, cure: String)
  {
    self.kind = kind
    self.file = file
    self.place = place
    self.reason = reason
    self.cure = cure
  }

  package var location: String? { place.map { "\(file), \($0)" } ?? file }

  package var exitStatus: ExitStatus { kind == .missing ? .missingInput : .badInput }
}

extension String {
  /// An excerpt of the text between quotation marks.
  var quoted: String { "\"\(excerpt())\"" }
}
