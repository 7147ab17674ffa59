/// What ends a command that is neither bad configuration, data or storage nor a bug.
public struct TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What happened, as far as it decides the exit code.
  public enum Kind: Sendable, Equatable {
    /// The command line asks for something that cannot be done.
    case usage
    /// Another job uses the run folder.
    case folderInUse
    /// The run folder has disappeared.
    case folderGone
    /// The run was asked to stop and has saved a checkpoint.
    case stopped
    /// The ranks differ in program, configuration, data or parameters.
    case disagreement
    /// A loss or a gradient is NaN or infinite.
    case notFinite
    /// A rank has made no progress for too long.
    case stalled
  }

  /// What happened, as far as it decides the exit code.
  public let kind: Kind

  /// Where it happened: a path, a flag, or a rank, step and dialogues.
  public let place: String?

  /// What happened, without a full stop.
  public let reason: String

  /// What to do about it, as a whole sentence.
  public let cure: String

  /// Creates an error from its parts.
  public init(kind: Kind, place: String? = nil, reason: String, cure: String) {
    self.kind = kind
    self.place = place
    self.reason = reason
    self.cure = cure
  }

  /// The full message: place, reason and cure on one line.
  public var description: String { (place.map { "\($0): " } ?? "") + "\(reason). \(cure)" }
}
