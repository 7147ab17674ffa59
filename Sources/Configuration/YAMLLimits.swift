/// Limits on a YAML text that bound the time and memory of parsing it.
///
/// The parser itself limits nesting to 1000 levels.
package enum YAMLLimits {
  /// The largest length of a text, in bytes.
  package static let largestByteCount = 1 << 16

  /// The largest number of aliases and explicit keys.
  ///
  /// Nested aliases multiply the expanded text, and nested keys are parsed once per level; with ten
  /// of them, parsing takes as long as for a text some forty times as long.
  package static let largestMultiplierCount = 10

  /// The reason why a text is not parsed, without a full stop; nil for a text within the limits.
  package static func problem(of text: String) -> String? {
    let byteCount = text.utf8.count
    guard byteCount <= largestByteCount else {
      return "the text is \(byteCount) bytes long, more than \(largestByteCount)"
    }
    // Without an anchor, stars are not aliases but part of comments.
    let hasAnchors = count(of: "&", in: text, isFollowedByName: true) > 0
    let aliasCount = hasAnchors ? count(of: "*", in: text, isFollowedByName: true) : 0
    let keyCount = count(of: "?", in: text, isFollowedByName: false)
    guard aliasCount + keyCount <= largestMultiplierCount else {
      return "there are \(aliasCount) aliases (*name) and \(keyCount) explicit keys (? key), "
        + "more than \(largestMultiplierCount)"
    }
    return nil
  }

  /// The number of times that a sign begins a YAML token.
  private static func count(
    of sign: Unicode.Scalar, in text: String, isFollowedByName: Bool
  ) -> Int {
    let sign = UInt8(ascii: sign)
    var count = 0
    var previous = UInt8(ascii: " ")
    var isAfterSign = false
    for byte in text.utf8 {
      if isAfterSign && !(isFollowedByName && isSpace(byte)) { count += 1 }
      isAfterSign = byte == sign && mayPrecedeToken(previous)
      previous = byte
    }
    return count
  }

  private static func mayPrecedeToken(_ byte: UInt8) -> Bool {
    // A non-ASCII byte may end a Unicode line break.
    isSpace(byte) || byte >= 0x80 || ",[]{}:-\"'".utf8.contains(byte)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }
}
