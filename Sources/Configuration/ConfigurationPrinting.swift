extension RunConfiguration {
  /// The configuration as YAML with all keys in a fixed order; equal values give equal bytes.
  package var yaml: String {
    Self.yaml(of: self) { _ in nil }
  }

  /// Reads a configuration from YAML, such as that of a checkpoint.
  ///
  /// - Parameters:
  ///   - yaml: The text; absent keys keep their defaults.
  ///   - source: The name of the document for messages.
  /// - Throws: `ConfigurationError` naming the line and the key.
  package init(yaml: String, source: String) throws(ConfigurationError) {
    self.init()
    let assignments = try ConfigurationReader.assignments(inDocument: yaml, path: source)
    try ConfigurationReader.apply(assignments, to: &self)
  }

  /// Prints sections and keys, each key with its comment, if any; comments are aligned.
  fileprivate static func yaml(
    of configuration: RunConfiguration, comment: (String) -> String?
  ) -> String {
    var lines: [(text: String, comment: String?)] = []
    var section: Substring = ""
    for key in configuration.keys {
      let parts = key.name.split(separator: ".", maxSplits: 1)
      if parts[0] != section {
        section = parts[0]
        lines.append(("\(section):", nil))
      }
      lines.append(("  \(parts[1]): \(key.yaml(configuration))", comment(key.name)))
    }
    let width = lines.map(\.text.count).filter { $0 <= 40 }.max() ?? 0
    return lines.map { text, comment in
      guard let comment else { return text + "\n" }
      let gap = String(repeating: " ", count: max(0, width - text.count))
      return "\(text)\(gap)  # \(comment)\n"
    }.joined()
  }
}

extension ResolvedConfiguration {
  /// The merged configuration as YAML.
  package var yaml: String { configuration.yaml }

  /// The merged configuration as YAML, with the origin of each key as a comment.
  package var annotated: String {
    RunConfiguration.yaml(of: configuration) { origin(of: $0).description }
  }
}
