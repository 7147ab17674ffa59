/// A scanner of the JSON that occurs in safetensors headers.
///
/// The calling parser fixes the depth; nothing here recurses, and every call advances or throws, so
/// the time is linear in the number of bytes.
package struct StrictJSONScanner {
  private let bytes: UnsafeRawBufferPointer
  private let path: String
  private var position = 0

  package init(_ bytes: UnsafeRawBufferPointer, path: String) {
    self.bytes = bytes
    self.path = path
  }

  /// The next byte, or `nil` at the end.
  package func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

  /// An error at the current position.
  package func error(_ reason: String) -> SafetensorsError {
    .damaged(path, "header byte \(position)", reason)
  }

  /// Consumes `{` and returns whether a key follows.
  package mutating func beginObject() throws(SafetensorsError) -> Bool {
    try expect("{")
    return !consumes("}")
  }

  /// Consumes `,` or `}` and returns whether another key follows.
  package mutating func continueObject() throws(SafetensorsError) -> Bool {
    if consumes("}") { return false }
    try expect(",")
    return true
  }

  /// Consumes a string and the colon after it.
  package mutating func key() throws(SafetensorsError) -> String {
    let key = try string()
    try expect(":")
    return key
  }

  /// Consumes an array of whole numbers that are not negative.
  ///
  /// - Parameter largestCount: the largest number of elements; longer arrays are refused before
  ///   they take memory.
  package mutating func integers(largestCount: Int) throws(SafetensorsError) -> [Int] {
    try expect("[")
    if consumes("]") { return [] }
    var numbers = [try integer()]
    while !consumes("]") {
      try expect(",")
      guard numbers.count < largestCount else {
        throw error("an array has more than \(largestCount) numbers")
      }
      numbers.append(try integer())
    }
    return numbers
  }

  /// Consumes a string.
  package mutating func string() throws(SafetensorsError) -> String {
    try expect("\"")
    let start = position
    var content: [UInt8]?
    while true {
      guard let byte = peek() else { throw error("a string does not end") }
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let content else { return try text(bytes[start..<position - 1]) }
        return try text(content)
      case UInt8(ascii: "\\"):
        // Up to the first escape, the content is a part of the header.
        content = content ?? Array(bytes[start..<position - 1])
        content?.append(contentsOf: try escape())
      case 0..<0x20: throw error("a string holds a control character")
      default: content?.append(byte)
      }
    }
  }

  private func text(_ content: some Collection<UInt8>) throws(SafetensorsError) -> String {
    guard let text = String(validating: content, as: UTF8.self) else {
      throw error("a string is not UTF-8 (InvalidHeader)")
    }
    return text
  }

  /// Throws if anything but white space follows.
  package mutating func expectEnd() throws(SafetensorsError) {
    skipSpace()
    guard position == bytes.count else {
      throw error("something follows the header (InvalidHeaderDeserialization)")
    }
  }

  private mutating func integer() throws(SafetensorsError) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while let byte = peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
      let (tens, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      if first || second { throw error("a number is too large (ValidationOverflow)") }
      value = sum
      position += 1
    }
    guard position > start else {
      throw error("a whole number that is not negative is expected")
    }
    guard bytes[start] != UInt8(ascii: "0") || position == start + 1 else {
      throw error("a number begins with 0")
    }
    return value
  }

  /// The UTF-8 bytes of the escape whose backslash has been consumed.
  private mutating func escape() throws(SafetensorsError) -> [UInt8] {
    guard let byte = peek() else { throw error("a string does not end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return Array(String(Character(try escapedScalar())).utf8)
    default: throw error("an escape is unknown")
    }
  }

  private mutating func escapedScalar() throws(SafetensorsError) -> Unicode.Scalar {
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    // Characters above 0xFFFF are written as two surrogates; one alone means nothing.
    guard (0xD800..<0xDC00).contains(first), peek() == UInt8(ascii: "\\") else {
      throw error("a surrogate stands alone")
    }
    position += 1
    guard peek() == UInt8(ascii: "u") else { throw error("a surrogate stands alone") }
    position += 1
    let second = try hexadecimal()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw error("a surrogate stands alone") }
    return scalar
  }

  private mutating func hexadecimal() throws(SafetensorsError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("an escape needs four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private mutating func skipSpace() {
    while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  /// Consumes a punctuation mark if it comes next, and returns whether it did.
  private mutating func consumes(_ mark: Unicode.Scalar) -> Bool {
    skipSpace()
    guard peek() == UInt8(ascii: mark) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ mark: Unicode.Scalar) throws(SafetensorsError) {
    guard consumes(mark) else {
      throw error("'\(mark)' is expected (InvalidHeaderDeserialization)")
    }
  }
}
