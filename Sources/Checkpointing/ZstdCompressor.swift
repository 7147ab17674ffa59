import CZstd

/// Compresses a content of known size into one zstd frame with a checksum.
///
/// Its memory does not depend on the size of the content.
final class ZstdCompressor {
  /// Receives the frame in consecutive pieces; a piece is valid during the call only.
  typealias Sink = (UnsafeRawBufferPointer) throws -> Void

  private let path: String
  private let context: OpaquePointer
  private let output: UnsafeMutableRawBufferPointer
  private var isFinished = false

  /// Starts a frame.
  ///
  /// - Parameters:
  ///   - level: the compression level, 1 to 19; negative levels are faster still.
  ///   - contentByteCount: the size of the whole content in bytes, which the frame declares.
  ///   - path: the file's name, for messages.
  /// - Throws: `CheckpointError` if there is not enough memory.
  init(level: Int, contentByteCount: Int, path: String) throws(CheckpointError) {
    self.path = path
    guard let context = ZSTD_createCCtx() else {
      throw .storage(path, "frame", "there is no memory for a compressor")
    }
    self.context = context
    output = .allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 16)
    try Zstd.check("set level", path, isReading: false) {
      ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(clamping: level))
    }
    try Zstd.check("set checksum", path, isReading: false) {
      ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    }
    try Zstd.check("set size", path, isReading: false) {
      ZSTD_CCtx_setPledgedSrcSize(context, UInt64(contentByteCount))
    }
  }

  deinit {
    ZSTD_freeCCtx(context)
    output.deallocate()
  }

  /// Compresses the next piece of the content.
  ///
  /// - Throws: `CheckpointError`, or whatever the sink throws.
  func write(_ bytes: UnsafeRawBufferPointer, to sink: Sink) throws {
    precondition(!isFinished, "a frame was written after its end")
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    while input.pos < input.size {
      try step(&input, ZSTD_e_continue, sink)
    }
  }

  /// Ends the frame.
  ///
  /// - Throws: `CheckpointError` if the content does not have the declared size, or whatever the
  ///   sink throws.
  func finish(to sink: Sink) throws {
    precondition(!isFinished, "a frame was ended twice")
    isFinished = true
    var input = ZSTD_inBuffer(src: nil, size: 0, pos: 0)
    while try step(&input, ZSTD_e_end, sink) > 0 {}
  }

  /// Calls the library once and returns the number of bytes that remain in its buffer.
  @discardableResult
  private func step(
    _ input: inout ZSTD_inBuffer, _ operation: ZSTD_EndDirective, _ sink: Sink
  ) throws -> Int {
    var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let left = try Zstd.check("compress", path, isReading: false) {
      ZSTD_compressStream2(context, &target, &input, operation)
    }
    if target.pos > 0 { try sink(UnsafeRawBufferPointer(rebasing: output[..<target.pos])) }
    return left
  }
}
