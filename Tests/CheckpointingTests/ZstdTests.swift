import Testing

@testable import Checkpointing

@Suite("Zstd")
struct ZstdTests {
  /// A frame written by hand: magic number, descriptor and what follows.
  private static func handmade(_ rest: [UInt8]) -> [UInt8] { [0x28, 0xB5, 0x2F, 0xFD] + rest }

  private static func noise(_ count: Int) -> [UInt8] {
    var state: UInt32 = 1
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24) & 0x3F  // compressible, but not to nothing
    }
  }

  @Test(
    "any content comes back, at any level",
    arguments: [0, 1, 255, 256, 65_791, 65_792, 400_000], [-5, 1, 3, 19])
  func roundTrip(count: Int, level: Int) throws {
    let bytes = Self.noise(count)
    var compressed: [UInt8] = []
    let compressor = try ZstdCompressor(level: level, contentByteCount: count, path: "test")
    try bytes.withUnsafeBytes { piece in
      try compressor.write(piece) { compressed.append(contentsOf: $0) }
    }
    try compressor.finish { compressed.append(contentsOf: $0) }
    #expect(try content(ofFrame: compressed) == bytes)
    let header = try compressed.withUnsafeBytes { try ZstdFrameHeader(parsing: $0, path: "test") }
    #expect(header?.contentByteCount == count)
  }

  @Test("pieces of any size give the same", arguments: [1, 2, 3, 13, 100, 4096])
  func pieces(size: Int) throws {
    let bytes = Self.noise(10_000)
    var compressed: [UInt8] = []
    let compressor = try ZstdCompressor(level: 3, contentByteCount: bytes.count, path: "test")
    for start in stride(from: 0, to: bytes.count, by: size) {
      try bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { piece in
        try compressor.write(piece) { compressed.append(contentsOf: $0) }
      }
    }
    try compressor.finish { compressed.append(contentsOf: $0) }
    #expect(try content(ofFrame: compressed, pieceByteCount: size) == bytes)
  }

  @Test("a content of another size than was declared is refused when it is written")
  func wrongPledge() throws {
    let compressor = try ZstdCompressor(level: 3, contentByteCount: 5, path: "test")
    let error = #expect(throws: CheckpointError.self) {
      try ([1, 2, 3] as [UInt8]).withUnsafeBytes { try compressor.write($0) { _ in } }
      try compressor.finish { _ in }
    }
    #expect(error?.kind == .storage)
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    let rest: [UInt8]
    let kind: CheckpointError.Kind
    let reason: String
    var testDescription: String { reason }
  }

  // Descriptor bits: 7-6 width of the size, 5 single segment, 4 unused, 3 reserved, 2 checksum,
  // 1-0 dictionary. A block header is 24 bits: last, type (0 raw, 1 run), size.
  static let refusals: [Refusal] = [
    Refusal(rest: [0x20, 1, 9, 0, 0, 7], kind: .foreignFormat, reason: "no checksum"),
    Refusal(rest: [0x04, 0x50, 9, 0, 0, 7], kind: .foreignFormat, reason: "does not declare"),
    Refusal(rest: [0x25, 0, 1, 9, 0, 0, 7], kind: .foreignFormat, reason: "a dictionary"),
    Refusal(rest: [0x2C, 1, 9, 0, 0, 7], kind: .damaged, reason: "bits set"),
    Refusal(rest: [0x34, 1, 9, 0, 0, 7], kind: .damaged, reason: "bits set"),
    Refusal(rest: [0x24, 1, 9, 0, 0, 7, 0, 0, 0, 0], kind: .damaged, reason: "checksum"),
    Refusal(rest: [0x24, 2, 9, 0, 0, 7, 0, 0, 0, 0], kind: .damaged, reason: "decompress"),
    Refusal(rest: [0x24, 1, 19, 0, 0, 7, 0, 0, 0, 0], kind: .damaged, reason: "decompress"),
    Refusal(rest: [0x24, 1, 0x0F, 0, 0, 7], kind: .damaged, reason: "decompress"),
    Refusal(
      rest: [0xE4] + [UInt8](repeating: 0xFF, count: 8), kind: .damaged, reason: "it declares"),
    Refusal(
      rest: [0xE4, 0, 0, 0, 0, 0, 0, 0, 0x7F, 9, 0, 0, 7], kind: .damaged, reason: "over 1048576"),
    Refusal(
      rest: [0xC4, 0xF8, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 7], kind: .damaged, reason: "memory"),
    Refusal(rest: [0x24], kind: .damaged, reason: "ends inside"),
    Refusal(rest: [], kind: .damaged, reason: "ends inside"),
  ]

  @Test("frames that are not of the one accepted form are refused", arguments: refusals)
  func refused(refusal: Refusal) {
    let error = #expect(throws: CheckpointError.self) {
      try content(ofFrame: Self.handmade(refusal.rest))
    }
    #expect(error?.kind == refusal.kind)
    #expect(error?.reason.contains(refusal.reason) == true, "\(String(describing: error))")
  }

  @Test("a run that goes on for longer than was declared is cut off")
  func bomb() {
    // One byte of content is declared; blocks of 128 KiB of the same byte follow, none the last.
    let block: [UInt8] = [0x02, 0x00, 0x10, 7]
    let frame = Self.handmade([0x84, 0x58, 1, 0, 0, 0] + (0..<64).flatMap { _ in block })
    let error = #expect(throws: CheckpointError.self) { try content(ofFrame: frame) }
    #expect(error?.kind == .damaged)
  }

  @Test("nothing may stand before or after the frame")
  func company() throws {
    let sound = try frame(ofContent: [1, 2, 3])
    #expect(try content(ofFrame: sound) == [1, 2, 3])
    for size in [1, 7, Int.max] {
      for tail in [[0], sound, [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]] {
        let error = #expect(throws: CheckpointError.self) {
          try content(ofFrame: sound + tail, pieceByteCount: size)
        }
        #expect(error?.kind == .damaged)
      }
    }
    let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]
    let error = #expect(throws: CheckpointError.self) { try content(ofFrame: skippable + sound) }
    #expect(error?.kind == .foreignFormat)
  }

  @Test("the limit on the content is a limit, not less")
  func limit() throws {
    let sound = try frame(ofContent: [UInt8](repeating: 0, count: 1000))
    #expect(try content(ofFrame: sound, largestContent: 1000).count == 1000)
    #expect(throws: CheckpointError.self) { try content(ofFrame: sound, largestContent: 999) }
  }
}
