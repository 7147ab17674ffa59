import Checkpointing
import DataParallel
import DialogueData
import MPIKit
import TensorCore

/// What the program's exit code says.
public enum ExitStatus: Int32, CaseIterable, Sendable {
  /// Everything was done.
  case done = 0
  /// The command line cannot be carried out.
  case usage = 64
  /// Data or a checkpoint is bad.
  case badInput = 65
  /// A named input does not exist.
  case missingInput = 66
  /// The program has a bug.
  case bug = 70
  /// The storage failed: the disk is full, or permission is missing.
  case storage = 74
  /// The run was stopped on request and goes on when it is started again.
  case stopped = 75
  /// The ranks differ in program, configuration, data or parameters.
  case disagreement = 76
  /// The configuration is bad.
  case configuration = 78
  /// A loss or a gradient became NaN or infinite.
  case notFinite = 79
  /// A rank made no progress.
  case stalled = 80

  /// The status that an error ends the program with.
  public init(_ error: any Error) {
    self =
      switch error {
      case let error as FileError: error.isMissing ? .missingInput : .storage
      case let error as DataError: error.kind == .missing ? .missingInput : .badInput
      case let error as CheckpointError: Self.status(of: error.kind)
      case let error as TrainingError: Self.status(of: error.kind)
      case is SafetensorsError: .badInput
      case is ConfigurationError: .configuration
      case is LaunchError: .usage
      case let error as LocatedError: ExitStatus(error.cause)
      case let error as PeerError: ExitStatus(rawValue: error.code) ?? .bug
      default: .bug
      }
  }

  /// The one line that standard error gets for an error.
  ///
  /// - Parameters:
  ///   - error: What was thrown.
  ///   - rank: The rank that speaks; a rank other than 0 says its number.
  public static func message(for error: any Error, rank: Int = 0) -> String {
    let isNamed = rank == 0 || error is LocatedError
    let speaker = isNamed ? "dferc-dist" : "dferc-dist (rank \(rank))"
    return "\(speaker): \(text(of: error))"
  }

  /// Longer than any message that is to be read, with the longest paths.
  private static let longestMessage = 10_000

  /// An error on one line, without a speaker, as `log.txt` gets it.
  static func text(of error: any Error) -> String {
    if let error = error as? LocatedError { return "\(error.place): \(text(of: error.cause))" }
    let text = String(describing: error).split(whereSeparator: \.isNewline).joined(separator: " ")
      .excerpt(limit: longestMessage)
    guard ExitStatus(error) == .bug else { return text }
    return "this is a bug in dferc-dist: \(text). "
      + "Please report it with the command line and log.txt."
  }

  private static func status(of kind: CheckpointError.Kind) -> ExitStatus {
    switch kind {
    case .missing: .missingInput
    case .storage: .storage
    case .damaged, .wrongVersion, .foreignFormat, .mismatch: .badInput
    }
  }

  private static func status(of kind: TrainingError.Kind) -> ExitStatus {
    switch kind {
    case .usage: .usage
    case .folderInUse, .folderGone: .storage
    case .stopped: .stopped
    case .disagreement: .disagreement
    case .notFinite: .notFinite
    case .stalled: .stalled
    }
  }
}
