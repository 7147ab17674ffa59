/// Where a run is kept and from where it goes on.
package struct RunRequest: Sendable, Equatable {
  /// What to go on from.
  package enum Resume: Sendable, Equatable {
    /// A folder that holds checkpoints is refused.
    case none
    /// The newest good checkpoint of the folder; a new run where there is none.
    case auto
    /// This checkpoint.
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
  /// What to go on from.
  package var resume: Resume
  /// Whether to do one step, one validation and one test group and to keep nothing.
  package var isFastDevelopmentRun: Bool
  /// Whether `samples.jsonl` is written.
  package var logsSamples: Bool
  /// Creates a request; without arguments it asks for a new run in the usual folder.
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
