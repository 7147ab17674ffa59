import TensorCore

/// Frames of zstd put together by hand, which no compressor would write.
///
/// Source: RFC 8878, section 3.1.1.
package struct HandmadeFrame {
  /// What the frame says of the size of its content.
  package var contentSize: UInt64?
  /// The window descriptor; nil for a frame whose window is its content.
  package var window: UInt8?
  /// Whether the descriptor promises a checksum; a frame made here never has the right one.
  package var hasChecksum = true
  /// The blocks, each with its header.
  package var blocks: [UInt8] = []

  /// A frame without blocks.
  package init(contentSize: UInt64?, window: UInt8? = 0x58) {
    self.contentSize = contentSize
    self.window = window
  }

  /// The kinds of a block.
  package enum BlockKind: UInt32, CaseIterable, Sendable {
    case raw
    case run
    case compressed
    case reserved
  }

  /// Adds a block.
  ///
  /// - Parameters:
  ///   - kind: its kind.
  ///   - size: what its header says of its size, at most 2^21 - 1.
  ///   - content: what follows the header.
  ///   - isLast: whether it says that it is the last.
  package mutating func add(
    _ kind: BlockKind, size: Int, content: [UInt8], isLast: Bool = false
  ) {
    let header = UInt32(size & 0x1F_FFFF) << 3 | kind.rawValue << 1 | (isLast ? 1 : 0)
    blocks += [UInt8(header & 0xFF), UInt8(header >> 8 & 0xFF), UInt8(header >> 16)] + content
  }

  /// The frame.
  package var bytes: [UInt8] {
    var descriptor: UInt8 = hasChecksum ? 0x04 : 0
    if contentSize != nil { descriptor |= 0xC0 }
    if window == nil { descriptor |= 0x20 }
    let size = contentSize.map { size in withUnsafeBytes(of: size.littleEndian) { Array($0) } }
    return [0x28, 0xB5, 0x2F, 0xFD, descriptor] + (window.map { [$0] } ?? []) + (size ?? [])
      + blocks + (hasChecksum ? [0, 0, 0, 0] : [])
  }
}

/// Files of zstd frames that would unpack to more than any memory, or never end.
package enum HostileFrames {
  /// Whole files.
  ///
  /// - Parameters:
  ///   - sound: a sound frame, to stand before and behind others.
  ///   - stream: chooses sizes.
  package static func next(beside sound: [UInt8], _ stream: inout RandomStream) -> [UInt8] {
    let size = stream.nextElement(of: sizes)
    let window = stream.nextElement(of: [0x00, 0x58, 0x88, 0xA8, 0xFF, nil] as [UInt8?])
    var frame = HandmadeFrame(contentSize: size, window: window)
    switch stream.nextInteger(below: 9) {
    case 0:  // a run of 128 KiB takes four bytes: 32 768 to one
      let count = 1 + stream.nextInteger(below: 20_000)
      for _ in 0..<count { frame.add(.run, size: 1 << 17, content: [0x7B]) }
    case 1:
      for _ in 0..<5000 { frame.add(.raw, size: 0, content: []) }
    case 2:
      for _ in 0..<100 { frame.add(.run, size: 0x1F_FFFF, content: [0]) }
    case 3:
      frame.hasChecksum = false
      frame.add(.run, size: 1 << 17, content: [0], isLast: true)
    case 4: return (0..<200).flatMap { _ in skippable(byteCount: 16) } + sound
    case 5: return sound + skippable(byteCount: stream.nextInteger(below: 64)) + sound
    case 6: return skippableHeader(declaring: .max) + sound
    case 7: return (0..<50).flatMap { _ in sound }
    default:
      for _ in 0...stream.nextInteger(below: 20) {
        let content = (0..<stream.nextInteger(below: 64)).map { _ in stream.nextByte() }
        let kind = stream.nextElement(of: HandmadeFrame.BlockKind.allCases)
        frame.add(
          kind, size: stream.nextInteger(below: 1 << 18), content: content,
          isLast: stream.nextChance(oneIn: 10))
      }
    }
    return frame.bytes
  }

  /// What frames say of their content: nothing, little, the limits of readers, terabytes.
  private static let sizes: [UInt64?] = [
    nil, 0, 1, 1 << 17, 1 << 20, 60 << 20, 64 << 20, (64 << 20) + 1, 300 << 20, 1 << 32, 1 << 42,
    UInt64(Int.max), UInt64(Int.max) + 1, .max,
  ]

  private static func skippable(byteCount: Int) -> [UInt8] {
    skippableHeader(declaring: UInt32(byteCount)) + [UInt8](repeating: 0, count: byteCount)
  }

  private static func skippableHeader(declaring byteCount: UInt32) -> [UInt8] {
    [0x50, 0x2A, 0x4D, 0x18] + withUnsafeBytes(of: byteCount.littleEndian) { Array($0) }
  }
}
