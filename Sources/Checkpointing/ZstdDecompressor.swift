import CZstd

/// Decompresses one zstd frame as a stream.
///
/// The frame must declare the size of its content, within a limit, have a checksum, and end where
/// the file ends. The memory is bounded by the largest window that is accepted, whatever the frame
/// declares.
final class ZstdDecompressor {
  /// Receives the content in consecutive pieces; a piece is valid during the call only.
  typealias Sink = (UnsafeRawBufferPointer) throws -> Void

  /// Windows of up to 2^27 bytes are accepted; no level of the `zstd` tool exceeds that.
  private static let largestWindowLog: Int32 = 27

  private let path: String
  private let largestContent: Int
  private let context: OpaquePointer
  private let output: UnsafeMutableRawBufferPointer
  private var pending: [UInt8] = []
  private var producedByteCount = 0
  private var isAtEnd = false

  /// The size of the content in bytes as the frame declares it; nil before its header has arrived.
  private(set) var contentByteCount: Int?

  /// Creates a decompressor before the first byte.
  ///
  /// - Parameters:
  ///   - largestContent: the largest size of the content that is accepted, in bytes.
  ///   - path: the file's name, for messages.
  /// - Throws: `CheckpointError` if there is not enough memory.
  init(largestContent: Int, path: String) throws(CheckpointError) {
    self.path = path
    self.largestContent = largestContent
    guard let context = ZSTD_createDCtx() else {
      throw .storage(path, "frame", "there is no memory for a decompressor")
    }
    self.context = context
    output = .allocate(byteCount: ZSTD_DStreamOutSize(), alignment: 16)
    try Zstd.check("set window", path, isReading: true) {
      ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.largestWindowLog)
    }
  }

  deinit {
    ZSTD_freeDCtx(context)
    output.deallocate()
  }

  /// Decompresses the next piece of the frame.
  ///
  /// - Throws: `CheckpointError` if the frame is damaged or not of the accepted form, or whatever the
  ///   sink throws.
  func write(_ bytes: UnsafeRawBufferPointer, to sink: Sink) throws {
    if contentByteCount != nil { return try decompress(bytes, to: sink) }
    // The bytes of the header are kept until it is complete.
    pending.append(contentsOf: bytes)
    try pending.withUnsafeBytes { start in
      guard let header = try ZstdFrameHeader(parsing: start, path: path) else { return }
      guard header.contentByteCount <= largestContent else {
        throw CheckpointError.damaged(
          path, "frame",
          "it declares \(header.contentByteCount) bytes of content, over \(largestContent)")
      }
      contentByteCount = header.contentByteCount
      try decompress(start, to: sink)
    }
    if contentByteCount != nil { pending = [] }
  }

  /// Checks that the frame is complete.
  ///
  /// - Throws: `CheckpointError` if it is not.
  func finish() throws(CheckpointError) {
    guard isAtEnd else {
      throw .damaged(path, "frame", "the file ends inside it")
    }
    guard producedByteCount == contentByteCount else {
      throw .damaged(
        path, "frame",
        "it holds \(producedByteCount) bytes of content, but declares \(contentByteCount ?? 0)")
    }
  }

  private func decompress(_ bytes: UnsafeRawBufferPointer, to sink: Sink) throws {
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    var isOutputFull = false
    while input.pos < input.size || isOutputFull {
      if isAtEnd {
        guard input.pos == input.size else {
          throw CheckpointError.damaged(path, "frame", "something follows it in the file")
        }
        return
      }
      var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
      let hint = try Zstd.check("decompress", path, isReading: true) {
        ZSTD_decompressStream(context, &target, &input)
      }
      isAtEnd = hint == 0
      isOutputFull = target.pos == target.size
      producedByteCount += target.pos
      guard producedByteCount <= contentByteCount ?? 0 else {
        throw CheckpointError.damaged(path, "frame", "it holds more content than it declares")
      }
      if target.pos > 0 { try sink(UnsafeRawBufferPointer(rebasing: output[..<target.pos])) }
    }
  }
}
