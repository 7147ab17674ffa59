import Files
import TensorCore

/// A dataset that cannot be used: what is wrong, where, and how to put it right.
package struct DataError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of trouble, which differ in the program's exit code.
  package enum Kind: Sendable, Equatable {
    /// A folder or file that was named, or that a dataset must have, does not exist.
    case missing

    /// The data is there but wrong.
    case bad
  }

  /// Whether something is absent or wrong.
  package let kind: Kind

  /// The file or folder.
  package let file: String

  /// Where in the file: line, dialogue, utterance, tensor, row, column or field.
  package let place: String?

  /// What is wrong there.
  package let reason: String

  /// What to do about it, as a sentence.
  package let cure: String

  /// Describes the trouble with one file.
  package init(kind: Kind = .bad, file: String, place: String? = nil, reason: String, cure: String)
  {
    self.kind = kind
    self.file = file
    self.place = place
    self.reason = reason
    self.cure = cure
  }

  /// The whole message: file, place, reason and cure.
  package var description: String {
    let location = place.map { "\(file), \($0)" } ?? file
    return "\(location): \(reason). \(cure)"
  }
}

extension String {
  /// An excerpt of the text between quotation marks.
  var quoted: String { "\"\(excerpt())\"" }
}

extension DataError: ExitStatusError {
  package var exitStatus: ExitStatus { kind == .missing ? .missingInput : .badInput }
}
