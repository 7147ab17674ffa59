import TensorCore

/// Numbers at and beyond the edges of what programs compute with.
package enum HostileNumbers {
  /// As words of memory.
  package static let words: [UInt64] = [
    0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 99_999_999, 100_000_000,
    100_000_001, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF8, 0xFFFF_FFFF, 0x1_0000_0000, 1 << 40,
    1 << 53, 1 << 61, (1 << 62) - 1, (1 << 63) - 8, (1 << 63) - 1, 1 << 63, .max - 8, .max,
  ]

  /// As text of JSON and YAML.
  package static let texts: [String] =
    words.map { String($0) } + [
      "-1", "-0", "-9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e3",
      "1e-400", "1e308", "1e309", "1e999999999", "1e99999999999999999999", "0.1", "1.", ".5", "00",
      "+1", "0x10", "1_000", "NaN", "nan", "Infinity", ".inf", "-.inf", "true", "null", "~", "1:30",
      String(repeating: "9", count: 400), "1" + String(repeating: "0", count: 5000),
      "0." + String(repeating: "3", count: 5000),
    ]
}

/// Names that lead elsewhere, break a line or pass for others.
package enum HostileNames {
  /// As they are, without escapes.
  package static let texts: [String] = [
    "", ".", "..", "../..", "../../../../etc/passwd", "/etc/passwd", "/", "//", "a/../../b", "a\0b",
    "\0", "train-00000-of-00001", "train-99999-of-99999", "train--1-of-00001", "__metadata__",
    "a\nb", "\u{1B}[2J\u{1B}[31m", "\u{202E}txet", "é", "e\u{301}", "\u{FEFF}", " ", "neutral",
    "text",
    "step", "sha256", "optimizer.exp_avg.x", String(repeating: "a", count: 5000),
    String(repeating: "../", count: 2000), "😀", "\u{FFFF}", "%s%n", "$(true)", "a'b\"c\\d",
  ]

  /// In double quotes, with the escapes of JSON.
  package static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// A text cut into strings, words, signs and space, so that damage keeps most of its grammar.
package struct TextTokens {
  private var tokens: [[UInt8]] = []

  /// Cuts a text of JSON, YAML or the like.
  package init(_ text: [UInt8]) {
    var index = text.startIndex
    while index < text.endIndex {
      let end = Self.end(ofTokenAt: index, in: text)
      tokens.append(Array(text[index..<end]))
      index = end
    }
  }

  /// The text.
  package var text: [UInt8] { Array(tokens.joined()) }

  /// One change or a few: other numbers and names, lost, doubled and swapped tokens.
  package mutating func damage(_ stream: inout RandomStream) {
    let count = stream.nextChance(oneIn: 2) ? 1 : 2 + stream.nextInteger(below: 3)
    for _ in 0..<count where !tokens.isEmpty { damageOnce(&stream) }
  }

  private mutating func damageOnce(_ stream: inout RandomStream) {
    let place = stream.nextInteger(below: tokens.count)
    switch stream.nextInteger(below: 10) {
    case 0: tokens.remove(at: place)
    case 1: tokens.insert(tokens[stream.nextInteger(below: tokens.count)], at: place)
    case 2: tokens.swapAt(place, stream.nextInteger(below: tokens.count))
    case 3: tokens[place] = ByteDamage.anywhere(in: tokens[place], &stream)
    case 4...6: replace(where: Self.isNumber, &stream) { $0.nextElement(of: HostileNumbers.texts) }
    case 7:
      replace(where: Self.isString, &stream) {
        HostileNames.quoted($0.nextElement(of: HostileNames.texts))
      }
    case 8:
      replace(where: Self.isString, &stream) { $0.nextElement(of: HostileNumbers.texts) }
    default:
      replace(where: { !$0.isEmpty }, &stream) { $0.nextElement(of: HostileJSON.pieces) }
    }
  }

  private mutating func replace(
    where isChosen: ([UInt8]) -> Bool, _ stream: inout RandomStream,
    with text: (inout RandomStream) -> String
  ) {
    let places = tokens.indices.filter { isChosen(tokens[$0]) }
    guard !places.isEmpty else { return }
    tokens[stream.nextElement(of: places)] = Array(text(&stream).utf8)
  }

  private static func isString(_ token: [UInt8]) -> Bool { token.first == UInt8(ascii: "\"") }

  private static func isNumber(_ token: [UInt8]) -> Bool {
    token.first.map { (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") } ?? false
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      || "._+-".utf8.contains(byte) || byte >= 0x80
  }

  private static func end(ofTokenAt start: Int, in text: [UInt8]) -> Int {
    if text[start] == UInt8(ascii: "\"") {
      var index = start + 1
      while index < text.endIndex, text[index] != UInt8(ascii: "\"") {
        index += text[index] == UInt8(ascii: "\\") ? 2 : 1
      }
      return min(index + 1, text.endIndex)
    }
    let isSpace = text[start] <= 0x20
    guard isSpace || isWord(text[start]) else { return start + 1 }
    return text[start...].firstIndex { isSpace ? $0 > 0x20 : !isWord($0) } ?? text.endIndex
  }
}
