import TensorCore

/// A text that is much of one thing, made in a length of about so many bytes.
package typealias TextBomb = @Sendable (_ byteCount: Int) -> String

/// JSON that is deep, long or ambiguous.
package enum HostileJSON {
  /// Short pieces to stand in the place of a value.
  package static let pieces: [String] = [
    "[]", "{}", "[[]]", "{\"\":{}}", "[null]", "null", "true", "\"\"", "\"\\ud800\"",
    "\"\\u0000\"", "\"\\ud83d\\ude00\"", "[1,2,3]", ",", ":", "}", "]", "{", "[", "\"", "\\",
    "\u{FEFF}", "//x\n", "/**/", "'a'", "\u{0}", deep("[", "]", 600), deep("{\"a\":", "}", 600),
  ]

  /// Whole texts.
  package static let bombs: [TextBomb] = [
    { repeated("[", $0) }, { repeated("{\"a\":", $0) }, { repeated("[{\"a\":", $0) },
    { repeated("\"", $0) }, { repeated("\\u0000", $0) }, { repeated(" ", $0) },
    { repeated("9", $0) }, { "[" + repeated("[],", $0) }, { "[" + repeated("{},", $0) + "{}]" },
    { "[" + repeated("0,", $0) + "0]" }, { "\"" + repeated("\\ud83d\\ude00", $0) + "\"" },
    { "\"" + repeated("a", $0) + "\"" }, { "{" + repeated("\"a\":0,", $0) + "\"a\":0}" },
    { "{" + numbered($0 / 12) { "\"\($0)\":0" } + "}" },
    { "{\"id\":\"a\",\"utterances\":[" + repeated("{},", $0) + "{}]}" },
    { "{\"id\":\"a\",\"utterances\":[" + repeated("[],", $0) + "{}]}" },
    {
      let utterances = numbered($0 / 24) { "{\"id\":\"\($0)\",\"text\":\"\"}" }
      return "{\"id\":\"a\",\"utterances\":[\(utterances)]}"
    },
    { "{\"id\":" + repeated("[", $0) },
    { "{\"id\":\"a\",\"utterances\":" + repeated("{\"utterances\":[", $0) },
    { "{\"emotions\":[" + numbered($0 / 12) { "\"\($0)\"" } + "]}" },
  ]

  /// A text again and again.
  static func repeated(_ text: String, _ byteCount: Int) -> String {
    String(repeating: text, count: max(1, byteCount / text.utf8.count))
  }

  /// Texts with commas between them.
  static func numbered(_ count: Int, _ text: (Int) -> String) -> String {
    (0..<max(1, count)).map(text).joined(separator: ",")
  }

  private static func deep(_ opening: String, _ closing: String, _ depth: Int) -> String {
    String(repeating: opening, count: depth) + "0" + String(repeating: closing, count: depth)
  }
}
