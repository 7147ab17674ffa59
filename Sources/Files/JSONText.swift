import Foundation

/// JSON in a fixed form, so that equal values give equal bytes.
package enum JSONText {
  /// A whole document, indented, keys in alphabetical order, with a line feed at the end.
  package static func document(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }

  /// A value on one line, keys in alphabetical order.
  package static func line(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  /// A JSON document of several lines on one line; any other text as it is.
  package static func compact(_ text: String) -> String {
    guard text.hasPrefix("{") || text.hasPrefix("[") else { return text }
    // Between quotation marks JSON has no line feed, so what follows one is indentation.
    return text.split(separator: "\n").map { String($0.drop { $0 == " " }) }
      .joined(separator: " ")
  }

  /// A number, without a fraction if it is an integer; null if it is not finite.
  package static func number(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    return Int(exactly: value).map(String.init) ?? value.description
  }

  /// A text in double quotes, escaped only where JSON requires it.
  package static func string(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "\"") { result, scalar in
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    } + "\""
  }
}
