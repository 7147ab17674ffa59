import Files

/// An error other than a bad configuration, bad data, failed storage or a bug.
package struct TrainingError: ExplainedError {
  /// What happened, as far as it decides the exit code.
  package enum Kind: Sendable, Equatable {
    /// The command line cannot be carried out.
    case usage
    /// The ranks differ in program, configuration, data or parameters.
    case disagreement
    /// A loss or a gradient is NaN or infinite.
    case notFinite
    /// A rank has made no progress for too long.
    case stalled
  }

  /// What happened, as far as it decides the exit code.
  package let kind: Kind

  /// Where it happened: a path, a flag, or a rank, step and dialogues.
  package let place: String?

  package let reason: String
  package let cure: String

  /// Creates an error from its parts.
  package init(kind: Kind, place: String? = nil, reason: String, cure: String) {
    self.kind = kind
    self.place = place
    self.reason = reason
    self.cure = cure
  }

  package var location: String? { place }

  package var exitStatus: ExitStatus {
    switch kind {
    case .usage: .usage
    case .disagreement: .disagreement
    case .notFinite: .notFinite
    case .stalled: .stalled
    }
  }
}
