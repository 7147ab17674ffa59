import ArgumentParser
import Configuration
import DialogueData

/// The flag `--threads` of every command that computes.
struct ThreadArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The number of threads of each rank, for BLAS and for the program's own kernels.",
      discussion: """
        Without it OPENBLAS_NUM_THREADS counts, and without that the cores that this rank may use, \
        shared with the ranks on the same cores.
        """,
      valueName: "count"))
  var threads: Int?

  func validate() throws {
    try requireCount(threads, "--threads", upTo: RequestLimits.threads)
  }
}

/// The flags that determine a run configuration.
struct ConfigurationArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The YAML file of the run; the defaults are the paper's settings for MELD.",
      valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "The dataset folder, in place of the file's data.path.", valueName: "folder"),
    completion: .directory)
  var data: String?

  @OptionGroup var overrides: OverrideArguments

  /// Reads the file and applies the command line to it.
  ///
  /// - Throws: `FileError` if the file cannot be read, `ConfigurationError` if it is invalid.
  func resolve() throws -> ResolvedConfiguration {
    try ResolvedConfiguration(file: config, overrides: overrides.set, data: data)
  }
}

/// The flag `--set`, which changes single keys of a run configuration.
struct OverrideArguments: ParsableArguments {
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Sets one key, such as --set optimizer.learningRate=5e-4; may be given more than once.",
      valueName: "key=value"))
  var set: [ConfigurationOverride] = []
}

extension ConfigurationOverride: ExpressibleByArgument {
  /// Reads `key=value`.
  package init?(argument: String) { self.init(argument) }
}

extension SplitName: ExpressibleByArgument {}

/// Refuses a count that is out of range, while arguments are parsed.
func requireCount(_ count: Int?, _ flag: String, from least: Int = 1, upTo most: Int) throws {
  guard let count, !(least...most).contains(count) else { return }
  throw ValidationError("\(flag) must be from \(least) to \(most), not \(count).")
}

/// Refuses an empty path, such as a shell passes for an unset variable.
func requirePath(_ path: String?, _ flag: String) throws {
  guard path?.isEmpty == true else { return }
  throw ValidationError("\(flag) must name a path; it is empty.")
}
