import DialogueData

/// A part of a dataset, for those who see only this room.
public typealias SplitName = DialogueData.SplitName

/// What `evaluate` is asked to do.
public struct EvaluateRequest: Sendable, Equatable {
  /// The checkpoint file.
  public var checkpoint: String
  /// The dataset folder.
  public var data: String
  /// The split that is scored.
  public var split: SplitName
  /// Whether to print JSON instead of tables.
  public var printsJSON: Bool
  /// The threads a rank; nil lets the program choose.
  public var threads: Int?

  /// Creates a request.
  public init(
    checkpoint: String, data: String, split: SplitName = .test, printsJSON: Bool = false,
    threads: Int? = nil
  ) {
    self.checkpoint = checkpoint
    self.data = data
    self.split = split
    self.printsJSON = printsJSON
    self.threads = threads
  }
}

/// What `predict` is asked to do.
public struct PredictRequest: Sendable, Equatable {
  /// The checkpoint file.
  public var checkpoint: String
  /// The dataset folder.
  public var data: String
  /// The split that is predicted.
  public var split: SplitName
  /// The JSONL file to write; nil for standard output.
  public var output: String?
  /// The threads a rank; nil lets the program choose.
  public var threads: Int?

  /// Creates a request.
  public init(
    checkpoint: String, data: String, split: SplitName = .test, output: String? = nil,
    threads: Int? = nil
  ) {
    self.checkpoint = checkpoint
    self.data = data
    self.split = split
    self.output = output
    self.threads = threads
  }
}
