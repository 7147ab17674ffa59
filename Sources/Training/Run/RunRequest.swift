/// The folder of a run and the checkpoint to resume from.
package struct RunRequest: Sendable, Equatable {
  /// The checkpoint to resume from.
  package enum Resume: Sendable, Equatable {
    /// Starts a new run; a folder that holds checkpoints is refused.
    case none
    /// Resumes from the newest valid checkpoint of the folder; starts a new run if there is none.
    case auto
    /// Resumes from the checkpoint at a path.
    case checkpoint(String)

    /// Reads the value of `--resume`.
    package init(_ argument: String) {
      self =
        switch argument {
        case "none": .none
        case "auto": .auto
        default: .checkpoint(argument)
        }
    }
  }

  /// The run folder; nil for `runs/<name of the configuration>`.
  package var output: String?
  /// The checkpoint to resume from.
  package var resume: Resume
  /// Whether to run one step, one validation group and one test group, and to keep no files.
  package var isFastDevelopmentRun: Bool
  /// Whether `samples.jsonl` is written.
  package var logsSamples: Bool

  /// Creates a request; the defaults are those of `train` without flags.
  package init(
    output: String? = nil, resume: Resume = .none, isFastDevelopmentRun: Bool = false,
    logsSamples: Bool = false
  ) {
    self.output = output
    self.resume = resume
    self.isFastDevelopmentRun = isFastDevelopmentRun
    self.logsSamples = logsSamples
  }
}
