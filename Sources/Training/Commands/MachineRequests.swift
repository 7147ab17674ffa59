/// What `bench` is asked to do.
public struct BenchRequest: Sendable, Equatable {
  /// The number of dialogues in the global batch.
  public var dialogues: Int
  /// The number of measured steps.
  public var steps: Int
  /// The number of steps before the measurement.
  public var warmup: Int
  /// Whether to print JSON instead of a table.
  public var printsJSON: Bool
  /// The `--set key=value` arguments, in order.
  public var overrides: [ConfigurationOverride]
  /// The threads a rank; nil lets the program choose.
  public var threads: Int?

  /// Creates a request.
  public init(
    dialogues: Int = 8, steps: Int = 30, warmup: Int = 5, printsJSON: Bool = false,
    overrides: [ConfigurationOverride] = [], threads: Int? = nil
  ) {
    self.dialogues = dialogues
    self.overrides = overrides
    self.steps = steps
    self.warmup = warmup
    self.printsJSON = printsJSON
    self.threads = threads
  }
}

/// What `doctor` is asked to do.
public struct DoctorRequest: Sendable, Equatable {
  /// Whether to print JSON instead of text.
  public var printsJSON: Bool
  /// The threads a rank; nil lets the program choose.
  public var threads: Int?

  /// Creates a request.
  public init(printsJSON: Bool = false, threads: Int? = nil) {
    self.printsJSON = printsJSON
    self.threads = threads
  }
}
