/// What a YAML text may have, so that reading it takes no more than a little time and memory.
///
/// The parser itself stops at a nesting of 1000.
enum YAMLLimits {
  /// Longer texts are no configurations.
  static let largestByteCount = 1 << 16

  /// Aliases of aliases multiply: with ten, a text may stand for some forty times its length.
  static let largestAliasCount = 10

  /// Why a text is not even parsed, without a full stop; nil where it is.
  static func problem(of text: String) -> String? {
    let byteCount = text.utf8.count
    guard byteCount <= largestByteCount else {
      return "the text is \(byteCount) bytes long, more than \(largestByteCount)"
    }
    let aliasCount = wordCount(in: text, behind: "*")
    // Stars in comments are no aliases where nothing has an anchor.
    guard aliasCount <= largestAliasCount || wordCount(in: text, behind: "&") == 0 else {
      return "there are \(aliasCount) aliases, more than \(largestAliasCount)"
    }
    return nil
  }

  /// How often a sign that may begin a word of YAML is followed by a name.
  private static func wordCount(in text: String, behind sign: Unicode.Scalar) -> Int {
    var count = 0
    var previous = UInt8(ascii: " ")
    var isBehindSign = false
    for byte in text.utf8 {
      if isBehindSign && !isSpace(byte) { count += 1 }
      isBehindSign = byte == UInt8(ascii: sign) && mayPrecedeWord(previous)
      previous = byte
    }
    return count
  }

  private static func mayPrecedeWord(_ byte: UInt8) -> Bool {
    // A byte above ASCII may end a line break of Unicode.
    isSpace(byte) || byte >= 0x80 || ",[]{}:?-\"'".utf8.contains(byte)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }
}
