import TensorCore

/// A safetensors file taken apart, so that its header and its data can be damaged each by itself.
package struct TensorFileParts {
  /// The JSON between the length and the data.
  package var header: [UInt8]
  /// All behind the header.
  package var data: [UInt8]
  /// What stands in the place of the header's length; nil for the right one.
  package var declaredLength: UInt64?

  /// Takes a sound file apart.
  package init(_ file: [UInt8]) {
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    header = Array(file[8..<8 + length])
    data = Array(file[(8 + length)...])
  }

  /// A file of a header and data.
  package init(header: String, data: [UInt8] = []) {
    self.header = Array(header.utf8)
    self.data = data
  }

  /// The file.
  package var bytes: [UInt8] {
    let length = declaredLength ?? UInt64(header.count)
    return withUnsafeBytes(of: length.littleEndian) { Array($0) } + header + data
  }

  /// Damages one of the parts; the others stay as they are, and mostly the length is right.
  package mutating func damage(_ stream: inout RandomStream) {
    switch stream.nextInteger(below: 20) {
    case 0: declaredLength = stream.nextElement(of: HostileNumbers.words)
    case 1: declaredLength = UInt64(header.count &+ stream.nextInteger(below: 17) &- 8)
    case 2: data = ByteDamage.anywhere(in: data, &stream)
    case 3: header += [UInt8](repeating: 0x20, count: stream.nextInteger(below: 4096))
    case 4, 5: header = ByteDamage.anywhere(in: header, &stream)
    case 6...9:
      var tokens = TextTokens(header)
      tokens.damage(&stream)
      header = tokens.text
    default: damageMeaning(&stream)
    }
  }
}

/// Headers of safetensors files that are much of one thing, or claim what is not there.
package enum HostileTensors {
  /// Whole headers.
  package static let bombs: [TextBomb] =
    HostileJSON.bombs
    + claims.map { claim in { _ in "{\(claim)}" } } + [
      { "{" + HostileJSON.numbered($0 / 60) { entry("\($0)", "[0]", "[0,0]") } + "}" },
      { "{\"__metadata__\":{" + HostileJSON.numbered($0 / 12) { "\"\($0)\":\"\"" } + "}}" },
      { "{\"__metadata__\":{\"a\":\"" + HostileJSON.repeated("\\n", $0) + "\"}}" },
      { "{\"__metadata__\":{\"a\":\"" + HostileJSON.repeated("x", $0) + "\"}}" },
      { "{" + entry(HostileJSON.repeated("a", $0), "[1]", "[0,1]") + "}" },
      { "{" + entry("a", "[" + HostileJSON.repeated("1,", $0) + "1]", "[0,1]") + "}" },
      { "{" + entry("a", "[1]", "[" + HostileJSON.repeated("0,", $0) + "1]") + "}" },
      { "{}" + HostileJSON.repeated(" ", $0) }, { "{\"a\":" + HostileJSON.repeated(" ", $0) },
    ]

  /// Small headers whose numbers do not fit the file, or into a word.
  private static let claims: [String] = [
    entry("a", "[18446744073709551615]", "[0,0]"), entry("a", "[4611686018427387904,4]", "[0,0]"),
    entry("a", "[9223372036854775807,0]", "[0,0]"), entry("a", "[0,9223372036854775807]", "[0,0]"),
    entry("a", "[]", "[9223372036854775803,9223372036854775807]"),
    entry("a", "[2305843009213693951]", "[0,9223372036854775804]"),
    entry("a", "[1]", "[4,0]"), entry("a", "[1]", "[18446744073709551612,0]"),
    entry("../../x", "[0]", "[0,0]"), entry("/etc/passwd", "[0]", "[0,0]"),
    entry("\\u0000", "[0]", "[0,0]"), entry("__metadata__", "[0]", "[0,0]"),
    entry("input.text.weight", "[0,1152921504606846976]", "[0,0]"),
    entry("input.text.weight", "[3,0]", "[0,0]"),
  ]

  private static func entry(_ name: String, _ shape: String, _ offsets: String) -> String {
    "\"\(name)\":{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
  }
}
