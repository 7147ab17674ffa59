/// The header of a safetensors file: its tensors, its metadata, and where its data start.
///
/// A file is an unsigned 64-bit little-endian length N, N bytes of JSON, and the data. All limits of
/// the reference implementation are checked, and duplicate keys and unknown fields are refused.
package struct SafetensorsHeader: Sendable {
  /// The largest header that is read, as in the reference implementation.
  package static let largestHeader = 100_000_000

  /// The tensors by name.
  package let entries: [String: SafetensorsEntry]

  /// The strings of `__metadata__`; empty where there are none.
  package let metadata: [String: String]

  /// Where the data start in the file: 8 + N.
  package let dataStart: Int

  /// The tensors in the order of their data in the file.
  package var entriesInFileOrder: [SafetensorsEntry] {
    entries.values.sorted(by: Self.precedes)
  }

  /// Reads the header at the start of a complete file.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - path: the file's name, for messages.
  /// - Throws: `SafetensorsError` for any deviation from the format.
  package init(parsing bytes: UnsafeRawBufferPointer, path: String) throws(SafetensorsError) {
    try self.init(parsing: bytes, fileByteCount: bytes.count, path: path)
  }

  /// Reads the header from the start of a file.
  ///
  /// - Parameters:
  ///   - start: the first bytes of the file, at least as many as `dataStart(of:fileByteCount:path:)`
  ///     says.
  ///   - fileByteCount: the size of the whole file.
  ///   - path: the file's name, for messages.
  /// - Throws: `SafetensorsError` for any deviation from the format.
  package init(
    parsing start: UnsafeRawBufferPointer, fileByteCount: Int, path: String
  ) throws(SafetensorsError) {
    dataStart = try Self.dataStart(of: start, fileByteCount: fileByteCount, path: path)
    precondition(start.count >= dataStart, "the header was only read in part")
    let json = UnsafeRawBufferPointer(rebasing: start[8..<dataStart])
    var scanner = SafetensorsHeaderScanner(json, path: path)
    (entries, metadata) = try scanner.scan()
    try Self.checkLayout(entries, dataByteCount: fileByteCount - dataStart, path: path)
  }

  /// Where the data start in a file: 8 + N.
  ///
  /// - Parameters:
  ///   - start: the first bytes of the file, at least 8 unless the file is shorter.
  ///   - fileByteCount: the size of the whole file.
  ///   - path: the file's name, for messages.
  /// - Throws: `SafetensorsError` if the file cannot hold such a header.
  package static func dataStart(
    of start: UnsafeRawBufferPointer, fileByteCount: Int, path: String
  ) throws(SafetensorsError) -> Int {
    guard start.count >= 8 else {
      throw .damaged(
        path, "header", "the file ends after \(start.count) of 8 length bytes (HeaderTooSmall)")
    }
    let length = UInt64(littleEndian: start.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(largestHeader) else {
      throw .damaged(
        path, "header", "a header of \(length) bytes is over \(largestHeader) (HeaderTooLarge)")
    }
    let dataStart = 8 + Int(length)
    guard dataStart <= fileByteCount else {
      throw .damaged(
        path, "header",
        "the file ends after \(fileByteCount - 8) of \(length) header bytes (InvalidHeaderLength)")
    }
    return dataStart
  }

  /// Checks the byte ranges of the tensors against each other and against the size of the file.
  private static func checkLayout(
    _ entries: [String: SafetensorsEntry], dataByteCount: Int, path: String
  ) throws(SafetensorsError) {
    var end = 0
    for entry in entries.values.sorted(by: precedes) {
      guard entry.byteRange.lowerBound == end else {
        throw .damaged(
          path, "tensor \(entry.name.excerpt())",
          "its data start at \(entry.byteRange.lowerBound), not at \(end) (InvalidOffset)")
      }
      end = entry.byteRange.upperBound
    }
    guard end == dataByteCount else {
      throw .damaged(
        path, "data",
        "the file has \(dataByteCount) data bytes, its header \(end) (MetadataIncompleteBuffer)")
    }
  }

  /// The order of the file; an empty tensor has the offset of the next one and comes before it.
  private static func precedes(_ first: SafetensorsEntry, _ second: SafetensorsEntry) -> Bool {
    let (left, right) = (first.byteRange, second.byteRange)
    if left.lowerBound != right.lowerBound { return left.lowerBound < right.lowerBound }
    if left.upperBound != right.upperBound { return left.upperBound < right.upperBound }
    return first.name < second.name
  }
}
