/// The header of a zstd frame in the form that checkpoints have.
///
/// The library ignores some bits of the header. They are checked here, so that no changed bit is
/// accepted and the library is called only for frames of the expected form: with a checksum, with
/// the size of the content, without a dictionary.
///
/// Source: RFC 8878, section 3.1.1.
struct ZstdFrameHeader: Equatable {
  /// The size of the longest header in bytes: magic number, descriptor, window and an eight-byte
  /// size.
  static let largestByteCount = 14

  /// The size of the content in bytes, as the frame declares it.
  let contentByteCount: Int

  private static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

  /// Reads the header; nil if more bytes are needed.
  ///
  /// - Parameters:
  ///   - bytes: the first bytes of the frame.
  ///   - path: the file's name, for messages.
  /// - Throws: `CheckpointError` if it is not the header of such a frame.
  init?(parsing bytes: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
    guard bytes.prefix(4).elementsEqual(Self.magic.prefix(bytes.count)) else {
      throw .foreign(path, "frame", "it does not begin as a zstd frame does")
    }
    guard bytes.count > 4 else { return nil }
    let descriptor = bytes[4]
    try Self.check(descriptor, path)
    let isSingleSegment = descriptor & 0x20 != 0
    let sizeFlag = descriptor >> 6
    let sizeByteCount = sizeFlag == 0 ? (isSingleSegment ? 1 : 0) : 1 << Int(sizeFlag)
    guard sizeByteCount > 0 else {
      throw .foreign(path, "frame", "it does not declare the size of its content")
    }
    let sizeStart = isSingleSegment ? 5 : 6
    guard bytes.count >= sizeStart + sizeByteCount else { return nil }
    var size: UInt64 = 0
    for index in (0..<sizeByteCount).reversed() {
      size = size << 8 | UInt64(bytes[sizeStart + index])
    }
    if sizeByteCount == 2 { size += 256 }
    guard let contentByteCount = Int(exactly: size) else {
      throw .damaged(path, "frame", "it declares \(size) bytes of content")
    }
    self.contentByteCount = contentByteCount
  }

  private static func check(_ descriptor: UInt8, _ path: String) throws(CheckpointError) {
    guard descriptor & 0x18 == 0 else {
      throw .damaged(path, "frame", "its header has bits set that must not be")
    }
    guard descriptor & 0x04 != 0 else {
      throw .foreign(path, "frame", "it has no checksum")
    }
    guard descriptor & 0x03 == 0 else {
      throw .foreign(path, "frame", "it needs a dictionary")
    }
  }
}
