extension Commands {
  /// Prints the resolved configuration as YAML, each key with the place it came from.
  ///
  /// - Throws: `FileError`, `ConfigurationError`.
  public static func configPrint(_ request: ConfigurationRequest) throws {
    try StandardOutput.write(request.resolve().annotated)
  }
}
