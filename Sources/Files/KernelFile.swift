/// Files of `/proc` and `/sys`.
package enum KernelFile {
  /// The largest number of bytes that is kept; no file that is read here has as many.
  private static let longest = 4 << 20

  /// The text of a file of `/proc` or `/sys`, or nil where it cannot be read.
  ///
  /// Such files have no size, so they are read to their end.
  package static func text(_ path: String) -> String? {
    guard let reader = try? FileReader(path: path) else { return nil }
    var bytes: [UInt8] = []
    try? reader.readPieces(of: 1 << 16) { piece in
      if bytes.count < longest { bytes.append(contentsOf: piece) }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The number that a file holds, or nil where there is none or the word `max`.
  package static func number(_ path: String) -> Int? {
    text(path).flatMap { Int($0.filter { !$0.isWhitespace }) }
  }
}
