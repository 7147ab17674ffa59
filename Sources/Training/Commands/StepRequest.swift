import DialogueData

/// What `step` is asked to do.
public struct StepRequest: Sendable, Equatable {
  /// The configuration, with the dataset folder.
  public var configuration: ConfigurationRequest
  /// The split that the dialogues are from.
  public var split: SplitName
  /// The ids of the dialogues, in the order of their rows; at least one, none twice.
  public var dialogues: [String]
  /// The safetensors file of the parameters; nil for the initial values of the seed.
  public var weights: String?
  /// Whether dropout is applied.
  public var appliesDropout: Bool
  /// The safetensors file to write.
  public var output: String
  /// The threads a rank; nil lets the program choose.
  public var threads: Int?

  /// Creates a request.
  public init(
    configuration: ConfigurationRequest, split: SplitName = .train, dialogues: [String],
    weights: String? = nil, appliesDropout: Bool = true, output: String, threads: Int? = nil
  ) {
    self.configuration = configuration
    self.split = split
    self.dialogues = dialogues
    self.weights = weights
    self.appliesDropout = appliesDropout
    self.output = output
    self.threads = threads
  }
}
