import Files
import TensorCore
import Yams

/// The reason why a YAML node is not a valid value of its key.
package struct ValueProblem: Error {
  /// The problem, without a full stop.
  package let reason: String
  /// A remedy, as a full sentence.
  package let cure: String
}

/// A type of configuration values, with its form in YAML.
package protocol ConfigurationValue: Sendable {
  /// The expected form in messages, such as `an integer`.
  static var expectation: String { get }

  /// Reads the value of a node.
  ///
  /// - Throws: `ValueProblem` for a node of another type.
  static func read(_ node: Node) throws(ValueProblem) -> Self

  /// The value in YAML's flow syntax, from which it can be read back.
  var yaml: String { get }
}

extension ConfigurationValue {
  /// The problem of a node of another type.
  package static func mismatch(_ node: Node) -> ValueProblem {
    ValueProblem(
      reason: "\(node.excerpt) is not \(expectation)", cure: "Give \(expectation).")
  }
}

extension Node {
  /// The text of an unquoted scalar, nil otherwise; quoted text is never a number or null.
  package var plainText: String? {
    guard case .scalar(let scalar) = self else { return nil }
    switch scalar.style {
    case .singleQuoted, .doubleQuoted, .literal, .folded: return nil
    case .any, .plain: return scalar.string
    }
  }

  /// Whether the node is YAML's null: empty, `~` or `null`.
  package var isNull: Bool {
    plainText.map { ["", "~", "null", "Null", "NULL"].contains($0) } ?? false
  }

  /// The node as quoted in messages.
  package var excerpt: String {
    switch self {
    case .scalar(let scalar):
      isNull ? "null" : plainText?.excerpt() ?? "\"\(scalar.string.excerpt())\""
    case .sequence(let items): Self.excerpt(of: items)
    case .mapping: "a mapping"
    case .alias: "an alias"
    }
  }

  /// Nested lists are not expanded, because they may be long at every level.
  private static func excerpt(of items: Node.Sequence) -> String {
    let texts = items.prefix(20).map { item in
      if case .sequence = item { "a list" } else { item.excerpt }
    }
    return "[" + texts.joined(separator: ", ") + (items.count > 20 ? ", ...]" : "]")
  }
}

extension Int: ConfigurationValue {
  package static var expectation: String { "an integer" }

  package static func read(_ node: Node) throws(ValueProblem) -> Int {
    guard let value = node.plainText.flatMap({ Int($0) }) else { throw mismatch(node) }
    return value
  }

  package var yaml: String { String(self) }
}

extension UInt64: ConfigurationValue {
  package static var expectation: String { "an integer from 0 to 18446744073709551615" }

  package static func read(_ node: Node) throws(ValueProblem) -> UInt64 {
    guard let value = node.plainText.flatMap({ UInt64($0) }) else { throw mismatch(node) }
    return value
  }

  package var yaml: String { String(self) }
}

extension Double: ConfigurationValue {
  package static var expectation: String { "a finite number" }

  package static func read(_ node: Node) throws(ValueProblem) -> Double {
    // Swift also reads "nan", "inf" and hexadecimal, which are refused.
    guard let text = node.plainText, text.allSatisfy({ "0123456789+-.eE".contains($0) }),
      let value = Double(text), value.isFinite
    else { throw mismatch(node) }
    return value
  }

  /// The shortest text that reads back to the same bits, with the dot that YAML 1.1 requires.
  package var yaml: String {
    let text = description
    guard let exponent = text.firstIndex(of: "e"), !text.contains(".") else { return text }
    return text[..<exponent] + ".0" + text[exponent...]
  }
}

extension Bool: ConfigurationValue {
  package static var expectation: String { "true or false" }

  package static func read(_ node: Node) throws(ValueProblem) -> Bool {
    switch node.plainText {
    case "true": return true
    case "false": return false
    default: throw mismatch(node)
    }
  }

  package var yaml: String { self ? "true" : "false" }
}

extension String: ConfigurationValue {
  package static var expectation: String { "a text" }

  package static func read(_ node: Node) throws(ValueProblem) -> String {
    guard case .scalar(let scalar) = node, !node.isNull, !scalar.string.isEmpty,
      !scalar.string.utf8.contains(0)
    else { throw mismatch(node) }
    return scalar.string
  }

  /// The text, in double quotes unless it is a path without YAML syntax.
  package var yaml: String {
    let isPlain =
      unicodeScalars.allSatisfy {
        $0.properties.isAlphabetic || "0123456789_./-".unicodeScalars.contains($0)
      }
      && unicodeScalars.contains { $0 == "/" } && first != "-"
    return isPlain ? self : quoted
  }

  private var quoted: String {
    unicodeScalars.reduce(into: "\"") { text, scalar in
      switch scalar {
      case "\"", "\\": text += "\\\(scalar)"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        text += "\\x" + (digits.count == 1 ? "0" : "") + digits
      default: text.unicodeScalars.append(scalar)
      }
    } + "\""
  }
}

extension Optional: ConfigurationValue where Wrapped: ConfigurationValue {
  package static var expectation: String { "\(Wrapped.expectation) or null" }

  package static func read(_ node: Node) throws(ValueProblem) -> Wrapped? {
    if node.isNull { return nil }
    do { return try Wrapped.read(node) } catch { throw mismatch(node) }
  }

  package var yaml: String { map(\.yaml) ?? "null" }
}

extension Array: ConfigurationValue where Element: ConfigurationValue {
  package static var expectation: String { "a list, each entry \(Element.expectation)" }

  package static func read(_ node: Node) throws(ValueProblem) -> [Element] {
    guard case .sequence(let items) = node else {
      throw ValueProblem(
        reason: "\(node.excerpt) is not a list", cure: "Write it in brackets: [\(node.excerpt)].")
    }
    var values: [Element] = []
    for item in items { values.append(try Element.read(item)) }
    return values
  }

  package var yaml: String { "[" + map(\.yaml).joined(separator: ", ") + "]" }
}

/// A value from a fixed set of words.
package protocol ConfigurationWord: ConfigurationValue, RawRepresentable, CaseIterable
where RawValue == String {}

extension ConfigurationWord {
  package static var expectation: String {
    "one of " + allCases.map(\.rawValue).joined(separator: ", ")
  }

  package static func read(_ node: Node) throws(ValueProblem) -> Self {
    guard let text = node.plainText ?? node.string, let value = Self(rawValue: text) else {
      throw mismatch(node)
    }
    return value
  }

  package var yaml: String { rawValue }
}

extension Modality: ConfigurationWord {}
