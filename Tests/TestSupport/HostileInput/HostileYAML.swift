import TensorCore

/// YAML that is deep, multiplies itself or is something else than it looks like.
package enum HostileYAML {
  /// Whole documents.
  package static let bombs: [TextBomb] =
    HostileJSON.bombs
    + short.map { text in { _ in text } }
    + repeatedPieces.map { piece in { HostileJSON.repeated(piece, $0) } } + [
      { indented($0) },
      { "%YAML 1.1\n---\n" + HostileJSON.repeated("%TAG ! tag:x,2000:\n", $0) },
      { "train: {epochs: |\n" + HostileJSON.repeated("  x\n", $0) },
      { "train: {seed: \"" + HostileJSON.repeated("\\\n", $0) },
      { HostileJSON.repeated("x", $0) + ": 1" },
      { "train: {\(HostileJSON.repeated("x", $0)): 1}" },
      { "train: {epochs: \(HostileJSON.repeated("x", $0))}" },
      { "? [" + HostileJSON.repeated("a,", $0) + "a]\n: 1" },
      { HostileJSON.repeated(nestedKeys(200) + "\n", $0) },
      { "[" + HostileJSON.repeated(nestedKeys(200) + ", ", $0) + "]" },
      { "? {" + HostileJSON.repeated("? ", $0) + "}\n: 1" },
      { HostileJSON.repeated("? ", min($0, 1800)) + "[" + HostileJSON.repeated("a,", $0) + "]" },
      { "data: {modalities: [" + HostileJSON.repeated("text, ", $0) + "text]}" },
      { "model: {ablations: [" + HostileJSON.repeated("no-ddm, ", $0) + "no-ddm]}" },
    ]

  private static let repeatedPieces = [
    "- ", "? ", "- ? ", "a: ", "--- \n", "...\n", "# *a &b\n", "&a ", "!!str ", "*a ", "[*a,",
    "- &a b\n", "{a: ", "!<tag:yaml.org,2002:str> ", "'", "|\n", "%a\n",
  ]

  private static let short = [
    aliases(levels: 12, width: 9, asKeys: false), aliases(levels: 12, width: 9, asKeys: true),
    aliases(levels: 5, width: 2, asKeys: false), aliases(levels: 40, width: 2, asKeys: true),
    aliases(levels: 3, width: 3, asKeys: true), "train: &a {epochs: *a}", "a: &a [*a, *a]",
    "train: {<<: {epochs: 3}}", "train: *none", "%YAML 9.9\n--- {}",
    "train: {seed: !!binary aGVsbG8=}", "train: {seed: !!set {}}", "train: !!python/object:x {}",
    "train:\n\tseed: 1", "\u{FEFF}train: {seed: 1}", "train: {seed: 1}\0",
    "data: {path: \"a\\0b\"}", "data: {path: ../../../../etc/passwd}",
    "data: {path: \"\\u202e\\x1b[2J\"}", "model: {width: 16385}", "train: {epochs: 1000001}",
  ]

  /// Levels of lists of aliases of the level before, as values or as keys.
  private static func aliases(levels: Int, width: Int, asKeys: Bool) -> String {
    var text = "a0: &a0 [x, x, x]\n"
    for level in 1...levels {
      let list = Array(repeating: "*a\(level - 1)", count: width).joined(separator: ", ")
      text += "a\(level): &a\(level) " + (asKeys ? "{? [\(list)] : 1}\n" : "[\(list)]\n")
    }
    return text + "train: {epochs: *a\(levels)}\n"
  }

  /// A mapping whose key is a mapping, and so on.
  private static func nestedKeys(_ depth: Int) -> String {
    String(repeating: "{", count: depth) + "a" + String(repeating: ":1}", count: depth)
  }

  private static func indented(_ byteCount: Int) -> String {
    let depth = max(2, min(1500, Int(Double(2 * byteCount).squareRoot())))
    return (0..<depth).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
  }
}
