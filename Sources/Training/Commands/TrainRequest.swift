/// What `train` is asked to do.
public struct TrainRequest: Sendable, Equatable {
  /// What to go on from.
  public enum Resume: Sendable, Equatable {
    /// A folder that holds checkpoints is refused.
    case none
    /// The newest good checkpoint of the folder; a new run where there is none.
    case auto
    /// This checkpoint.
    case checkpoint(String)

    /// Reads the value of `--resume`.
    public init(_ argument: String) {
      self =
        switch argument {
        case "none": .none
        case "auto": .auto
        default: .checkpoint(argument)
        }
    }
  }

  /// The configuration.
  public var configuration: ConfigurationRequest
  /// The run folder; nil for `runs/<name of the configuration>`.
  public var output: String?
  /// What to go on from.
  public var resume: Resume
  /// Whether to do one step, one validation and one test group and to keep nothing.
  public var isFastDevelopmentRun: Bool
  /// Whether `samples.jsonl` is written.
  public var logsSamples: Bool
  /// The threads a rank; nil lets the program choose.
  public var threads: Int?
  /// What is to go wrong, for tests of what happens then.
  public var faults: [Fault]

  /// Creates a request; without arguments it asks for a new run on the built-in corpus.
  public init(
    configuration: ConfigurationRequest = .init(), output: String? = nil, resume: Resume = .none,
    isFastDevelopmentRun: Bool = false, logsSamples: Bool = false, threads: Int? = nil,
    faults: [Fault] = []
  ) {
    self.configuration = configuration
    self.output = output
    self.resume = resume
    self.isFastDevelopmentRun = isFastDevelopmentRun
    self.logsSamples = logsSamples
    self.threads = threads
    self.faults = faults
  }
}
