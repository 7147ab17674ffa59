import Files
import TensorCore
import Yams

/// A value that a source assigns to a key.
package struct ConfigurationAssignment {
  package let key: String
  package let node: Node
  package let origin: ConfigurationOrigin
}

/// Parses YAML text and `--set` arguments into assignments, and applies assignments.
package enum ConfigurationReader {
  /// The assignments of a whole YAML document, in file order.
  ///
  /// - Parameter path: The name of the document for messages.
  /// - Throws: `ConfigurationError` for invalid YAML, an unknown section, or a section that is not a
  ///   mapping.
  package static func assignments(
    inDocument text: String, path: String
  ) throws(ConfigurationError) -> [ConfigurationAssignment] {
    let root: Node?
    do throws(SyntaxProblem) { root = try parse(text) } catch {
      throw ConfigurationError(
        place: error.line.map { "\(path):\($0)" } ?? path, key: nil, reason: error.reason,
        cure: "Correct the syntax; keys are indented by two spaces below their section.")
    }
    guard let root, !root.isNull else { return [] }
    guard case .mapping(let sections) = root else {
      throw ConfigurationError(
        place: path, key: nil, reason: "the document is not a mapping of sections",
        cure: "Write sections such as \"train:\" with their keys indented below.")
    }
    var result: [ConfigurationAssignment] = []
    for (name, body) in sections {
      result += try assignments(inSection: name, body, path: path)
    }
    return result
  }

  /// The assignment of one argument `--set key=value`.
  ///
  /// - Throws: `ConfigurationError` for a value that is not valid YAML.
  package static func assignment(
    of override: ConfigurationOverride
  ) throws(ConfigurationError) -> ConfigurationAssignment {
    do throws(SyntaxProblem) {
      let node = try parse(override.value) ?? Node("null")
      return ConfigurationAssignment(key: override.key, node: node, origin: .override)
    } catch {
      throw ConfigurationError(
        place: "--set", key: override.key, reason: error.reason,
        cure: "Quote lists for the shell: --set '\(override.key)=[a, b]'.")
    }
  }

  /// Applies assignments in order; the last one for a key wins.
  ///
  /// `model.name` is applied first, because it determines which keys exist.
  ///
  /// - Throws: `ConfigurationError` for an unknown key or an invalid value.
  package static func apply(
    _ assignments: [ConfigurationAssignment], to configuration: inout RunConfiguration
  ) throws(ConfigurationError) {
    func isName(_ assignment: ConfigurationAssignment) -> Bool {
      assignment.key == ChosenModel.nameKey.name
    }
    for assignment in assignments.filter(isName) + assignments.filter({ !isName($0) }) {
      try apply(assignment, to: &configuration)
    }
  }

  private static func apply(
    _ assignment: ConfigurationAssignment, to configuration: inout RunConfiguration
  ) throws(ConfigurationError) {
    let place = assignment.origin.description
    guard let key = configuration.keys.first(where: { $0.name == assignment.key }) else {
      throw unknownKey(assignment.key, of: configuration, place: place)
    }
    do {
      try key.read(assignment.node, &configuration)
    } catch {
      throw ConfigurationError(
        place: place, key: key.name, reason: error.reason.excerpt(limit: 300),
        cure: error.cure.excerpt(limit: 300))
    }
  }

  private static func assignments(
    inSection name: Node, _ body: Node, path: String
  ) throws(ConfigurationError) -> [ConfigurationAssignment] {
    let section = name.string ?? name.excerpt
    let place = origin(of: name, in: path).description
    guard sectionNames.contains(section) else {
      throw unknownKey(section, of: RunConfiguration(), place: place)
    }
    if body.isNull { return [] }
    guard case .mapping(let entries) = body else {
      throw ConfigurationError(
        place: place, key: section, reason: "\(body.excerpt) is not a mapping of keys",
        cure: keysOfSection(section))
    }
    return entries.map { key, value in
      ConfigurationAssignment(
        key: "\(section).\(key.string ?? key.excerpt)", node: value,
        origin: origin(of: key, in: path))
    }
  }

  /// The reason why a text is not valid YAML.
  private struct SyntaxProblem: Error {
    let reason: String
    let line: Int?

    init(reason: String) {
      self.reason = reason
      line = nil
    }

    init(_ error: any Error) {
      let (problem, line): (String, Int?) =
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
          .composer(_, let problem, let mark, _):
          (problem, mark.line)
        case .duplicatedKeysInMapping(let duplicates, let context):
          (
            "the key \(duplicates.sorted().listExcerpt) is given twice",
            context.mark.line
          )
        case .reader(let problem, _, _, _): (problem, nil)
        default: (String(describing: error).excerpt(limit: 200), nil)
        }
      reason = "this is not valid YAML: \(problem)"
      self.line = line
    }
  }

  private static func parse(_ text: String) throws(SyntaxProblem) -> Node? {
    if let problem = YAMLLimits.problem(of: text) { throw SyntaxProblem(reason: problem) }
    do { return try compose(yaml: text) } catch { throw SyntaxProblem(error) }
  }

  private static func origin(of node: Node, in path: String) -> ConfigurationOrigin {
    .file(path: path, line: node.mark?.line ?? 1)
  }
}

// MARK: - Unknown names

extension ConfigurationReader {
  private static var sectionNames: [String] {
    var names: [String] = []
    for key in RunConfiguration.keysOfAllModels.flatMap(\.keys) {
      let section = String(key.name.prefix { $0 != "." })
      if !names.contains(section) { names.append(section) }
    }
    return names
  }

  private static func keysOfSection(_ section: String) -> String {
    var names: [String] = []
    for key in RunConfiguration.keysOfAllModels.flatMap(\.keys)
    where key.name.hasPrefix("\(section).") && !names.contains(key.name) {
      names.append(key.name)
    }
    return "Its keys are \(names.joined(separator: ", "))."
  }

  private static func unknownKey(
    _ name: String, of configuration: RunConfiguration, place: String
  ) -> ConfigurationError {
    let known = configuration.keys.map(\.name)
    if sectionNames.contains(name) {
      return ConfigurationError(
        place: place, key: name, reason: "this is a section, not a key",
        cure: keysOfSection(name))
    }
    if known.contains(name) {
      return ConfigurationError(
        place: place, key: name, reason: "dotted names belong to --set",
        cure: "In a file, write the section and its key indented below it.")
    }
    if let other = RunConfiguration.keysOfAllModels.first(where: { model in
      model.keys.contains { $0.name == name }
    }) {
      return ConfigurationError(
        place: place, key: name,
        reason: "the model \(configuration.model.name) has no such key",
        cure: "Leave it out, or choose the model that has it: model.name: \(other.name).")
    }
    let isInFile = !place.hasPrefix("--")
    let candidates = isInFile && !name.contains(".") ? sectionNames + known : known
    let name = name.excerpt()
    let nearest = NearestName.nearest(to: name, among: candidates) ?? ""
    return ConfigurationError(
      place: place, key: name, reason: "unknown key", cure: "The nearest known one is \(nearest).")
  }
}
