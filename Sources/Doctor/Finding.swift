/// The result of one check of `doctor`.
package struct Finding: Codable, Sendable, Equatable {
  /// The severity of a finding.
  package enum Severity: String, Codable, Sendable {
    /// No defect.
    case ok
    /// Training works, but slowly or not everywhere.
    case warning
    /// Training cannot work.
    case error
  }

  /// The subject of a finding, in the order of the report.
  package enum Area: String, Codable, Sendable, CaseIterable {
    case processor, mpi, threads, blas, memory, storage
  }

  package let severity: Severity
  package let area: Area

  /// What was found, without a full stop.
  package let message: String

  /// What to do about it, in whole sentences; nil if nothing has to be done.
  package let cure: String?

  /// A finding without a defect.
  package static func ok(_ area: Area, _ message: String) -> Finding {
    Finding(severity: .ok, area: area, message: message, cure: nil)
  }

  /// A defect that slows training down, or that may cause a failure later.
  package static func warning(_ area: Area, _ message: String, cure: String) -> Finding {
    Finding(severity: .warning, area: area, message: message, cure: cure)
  }

  /// A defect with which training cannot work.
  package static func error(_ area: Area, _ message: String, cure: String) -> Finding {
    Finding(severity: .error, area: area, message: message, cure: cure)
  }

  /// A warning from a text whose first sentence is the message and the rest the cure.
  package static func warning(_ area: Area, sentences: String) -> Finding {
    guard let stop = sentences.range(of: ". ") else {
      let message = sentences.hasSuffix(".") ? String(sentences.dropLast()) : sentences
      return Finding(severity: .warning, area: area, message: message, cure: nil)
    }
    return .warning(
      area, String(sentences[..<stop.lowerBound]), cure: String(sentences[stop.upperBound...]))
  }
}

/// The findings of one rank, as they are sent to rank 0.
package struct RankFindings: Codable, Sendable {
  /// The rank's node.
  package let host: String

  /// The findings about the rank.
  package var ofRank: [Finding] = []

  /// The findings about the node, on one of its ranks.
  package var ofNode: [Finding] = []

  /// The findings about the job, on rank 0.
  package var ofJob: [Finding] = []
}
