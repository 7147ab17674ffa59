/// What a YAML text may have, so that reading it takes no more than a little time and memory.
///
/// The parser itself stops at a nesting of 1000.
package enum YAMLLimits {
  /// Longer texts are no configurations.
  package static let largestByteCount = 1 << 16

  /// Aliases of aliases multiply what a text stands for, and keys inside of keys are read once for
  /// each of them; with ten of both, a text is read as if it were some forty times as long.
  package static let largestMultiplierCount = 10

  /// Why a text is not even parsed, without a full stop; nil where it is.
  package static func problem(of text: String) -> String? {
    let byteCount = text.utf8.count
    guard byteCount <= largestByteCount else {
      return "the text is \(byteCount) bytes long, more than \(largestByteCount)"
    }
    // Stars in comments are no aliases where nothing has an anchor.
    let hasAnchors = count(of: "&", in: text, isFollowedByName: true) > 0
    let aliasCount = hasAnchors ? count(of: "*", in: text, isFollowedByName: true) : 0
    let keyCount = count(of: "?", in: text, isFollowedByName: false)
    guard aliasCount + keyCount <= largestMultiplierCount else {
      return "there are \(aliasCount) aliases (*name) and \(keyCount) explicit keys (? key), "
        + "more than \(largestMultiplierCount)"
    }
    return nil
  }

  /// How often a sign stands where a word of YAML may begin.
  private static func count(
    of sign: Unicode.Scalar, in text: String, isFollowedByName: Bool
  ) -> Int {
    let sign = UInt8(ascii: sign)
    var count = 0
    var previous = UInt8(ascii: " ")
    var isBehindSign = false
    for byte in text.utf8 {
      if isBehindSign && !(isFollowedByName && isSpace(byte)) { count += 1 }
      isBehindSign = byte == sign && mayPrecedeWord(previous)
      previous = byte
    }
    return count
  }

  private static func mayPrecedeWord(_ byte: UInt8) -> Bool {
    // A byte above ASCII may end a line break of Unicode.
    isSpace(byte) || byte >= 0x80 || ",[]{}:-\"'".utf8.contains(byte)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }
}
