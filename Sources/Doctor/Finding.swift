/// One thing that `doctor` has looked at, and what it found.
package struct Finding: Codable, Sendable, Equatable {
  /// How bad it is.
  package enum Severity: String, Codable, Sendable {
    /// As it should be.
    case ok
    /// It works, but slowly or not everywhere.
    case warning
    /// Training cannot work like this.
    case error
  }

  /// What the finding is about, in the order of the report.
  package enum Area: String, Codable, Sendable, CaseIterable {
    case processor, mpi, threads, blas, memory, storage
  }

  package let severity: Severity
  package let area: Area

  /// What was found, without a full stop.
  package let message: String

  /// What to do about it, as whole sentences; nil where nothing is to be done.
  package let cure: String?

  /// Something that is as it should be.
  package static func ok(_ area: Area, _ message: String) -> Finding {
    Finding(severity: .ok, area: area, message: message, cure: nil)
  }

  /// Something that slows training down, or that may fail later.
  package static func warning(_ area: Area, _ message: String, cure: String) -> Finding {
    Finding(severity: .warning, area: area, message: message, cure: cure)
  }

  /// Something with which training cannot work.
  package static func error(_ area: Area, _ message: String, cure: String) -> Finding {
    Finding(severity: .error, area: area, message: message, cure: cure)
  }

  /// A warning of another room, whose first sentence says what is wrong and the rest the cure.
  package static func warning(_ area: Area, sentences: String) -> Finding {
    guard let stop = sentences.range(of: ". ") else {
      let message = sentences.hasSuffix(".") ? String(sentences.dropLast()) : sentences
      return Finding(severity: .warning, area: area, message: message, cure: nil)
    }
    return .warning(
      area, String(sentences[..<stop.lowerBound]), cure: String(sentences[stop.upperBound...]))
  }
}

/// The findings of one rank, as they travel to rank 0.
package struct RankFindings: Codable, Sendable {
  /// The rank's node.
  package let host: String

  /// What every rank has to say for itself.
  package var ofRank: [Finding] = []

  /// What one rank of each node says for the node.
  package var ofNode: [Finding] = []

  /// What rank 0 says for the job.
  package var ofJob: [Finding] = []
}
