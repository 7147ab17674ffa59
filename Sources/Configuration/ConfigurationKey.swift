import Yams

/// A requirement on a value of the right type.
package struct Requirement<Value>: Sendable {
  /// The problem of a value; nil for a valid value.
  package let problem: @Sendable (Value) -> ValueProblem?

  /// A requirement on the range of a value, described by a phrase such as `above 0`.
  package init(_ phrase: String, _ isMet: @escaping @Sendable (Value) -> Bool)
  where Value: ConfigurationValue {
    problem = { value in
      isMet(value)
        ? nil
        : ValueProblem(
          reason: "\(value.yaml) is out of range", cure: "Give a value \(phrase).")
    }
  }

  /// A requirement with messages of its own.
  package init(problem: @escaping @Sendable (Value) -> ValueProblem?) {
    self.problem = problem
  }

  /// No requirement.
  package static var anything: Requirement { Requirement(problem: { _ in nil }) }
}

extension Requirement where Value: ConfigurationValue & Comparable {
  /// A value greater than `bound`.
  package static func above(_ bound: Value) -> Requirement where Value: Sendable {
    Requirement("above \(bound.yaml)") { $0 > bound }
  }

  /// A value of at least `bound`.
  package static func atLeast(_ bound: Value) -> Requirement where Value: Sendable {
    Requirement("of \(bound.yaml) or more") { $0 >= bound }
  }

  /// A value in a closed range.
  package static func within(_ range: ClosedRange<Value>) -> Requirement where Value: Sendable {
    Requirement("from \(range.lowerBound.yaml) to \(range.upperBound.yaml)") {
      range.contains($0)
    }
  }

  /// A power of two from 1 to `bound`.
  package static func powerOfTwo(upTo bound: Int) -> Requirement where Value == Int {
    Requirement("that is a power of two from 1 to \(bound)") {
      $0 >= 1 && $0 <= bound && $0.nonzeroBitCount == 1
    }
  }
}

/// A key of a section, or of the whole configuration, with its reader and printer.
package struct ConfigurationKey<Root>: Sendable {
  /// The name in YAML; dotted for a key of the whole configuration.
  package let name: String

  /// Whether the value affects parameters, scores or logs, down to the last bit.
  package let changesResult: Bool

  /// Stores the value of a node, or throws its problem.
  package let read: @Sendable (Node, inout Root) throws(ValueProblem) -> Void

  /// The value in YAML's flow syntax.
  package let yaml: @Sendable (Root) -> String
}

/// A part of the configuration that declares its keys.
package protocol ConfigurationSection: Sendable, Equatable {
  /// The section with its defaults.
  init()

  /// Every key of the section, in printing order.
  static var keys: [ConfigurationKey<Self>] { get }
}

extension ConfigurationSection {
  /// Declares a key that is stored at `path`.
  package static func key<Value: ConfigurationValue>(
    _ name: String, _ path: WritableKeyPath<Self, Value> & Sendable,
    _ requirement: Requirement<Value> = .anything, changesResult: Bool = true
  ) -> ConfigurationKey<Self> {
    ConfigurationKey(
      name: name, changesResult: changesResult,
      read: { (node: Node, section: inout Self) throws(ValueProblem) in
        let value = try Value.read(node)
        if let problem = requirement.problem(value) { throw problem }
        section[keyPath: path] = value
      },
      yaml: { section in section[keyPath: path].yaml })
  }

  /// Declares a key that may be null, with a requirement for the other values.
  package static func key<Value: ConfigurationValue>(
    _ name: String, _ path: WritableKeyPath<Self, Value?> & Sendable,
    unlessNull requirement: Requirement<Value>, changesResult: Bool = true
  ) -> ConfigurationKey<Self> {
    let lifted = Requirement<Value?>(problem: { $0.flatMap(requirement.problem) })
    return key(name, path, lifted, changesResult: changesResult)
  }
}
