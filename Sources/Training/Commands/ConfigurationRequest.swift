/// The arguments that put a run configuration together.
public struct ConfigurationRequest: Sendable, Equatable {
  /// The YAML file of `--config`; nil for the defaults.
  public var file: String?
  /// The dataset folder of `--data`; nil for the file's.
  public var data: String?
  /// The `--set key=value` arguments, in order.
  public var overrides: [ConfigurationOverride]

  /// Creates a request; without arguments it asks for the defaults.
  public init(
    file: String? = nil, data: String? = nil, overrides: [ConfigurationOverride] = []
  ) {
    self.file = file
    self.data = data
    self.overrides = overrides
  }

  /// Reads the file and lays the command line over it.
  ///
  /// - Throws: `FileError` if the file cannot be read, `ConfigurationError` if it cannot be used.
  public func resolve() throws -> ResolvedConfiguration {
    try ResolvedConfiguration(file: file, overrides: overrides, data: data)
  }
}
