/// A 64-bit digest of bytes that is the same on every machine and in every process.
///
/// It compares the data of ranks. It detects mix-ups and faults (another file version on another
/// node, a flipped bit), not an adversary, and runs at the speed of memory: four lanes each take
/// every fourth 64-bit word as `p = (lane ^ word) * odd constant`, `lane = p ^ p >> 32`. Both are
/// invertible, so a change of a single word always changes the digest. Every piece of input is
/// followed by its length, so that the boundaries of pieces count.
package struct StableDigest: Sendable {
  private var lanes: (UInt64, UInt64, UInt64, UInt64) = (
    0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344, 0xA409_3822_299F_31D0, 0x082E_FA98_EC4E_6C89
  )

  /// A digest of nothing.
  package init() {}

  /// The digest of everything added so far.
  package var value: UInt64 {
    let start: UInt64 = 0x4528_21E6_38D0_1377
    return [lanes.0, lanes.1, lanes.2, lanes.3].reduce(start) { Self.mix(Self.mix($0, $1), 0) }
  }

  /// The digest as 16 hexadecimal digits.
  package var hexadecimal: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Adds a piece of bytes.
  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let wholeLength = bytes.count & ~31
    var (first, second, third, fourth) = lanes
    for offset in stride(from: 0, to: wholeLength, by: 32) {
      first = Self.mix(first, word(bytes, offset))
      second = Self.mix(second, word(bytes, offset + 8))
      third = Self.mix(third, word(bytes, offset + 16))
      fourth = Self.mix(fourth, word(bytes, offset + 24))
    }
    for offset in wholeLength..<bytes.count { first = Self.mix(first, UInt64(bytes[offset])) }
    lanes = (first, second, third, Self.mix(fourth, UInt64(bytes.count)))
  }

  /// Adds the UTF-8 bytes of a text.
  package mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  /// Adds a number.
  package mutating func add(_ number: Int) {
    withUnsafeBytes(of: UInt64(bitPattern: Int64(number)).littleEndian) { add($0) }
  }

  private static let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15

  @inline(__always)
  private static func mix(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    let product = (lane ^ word) &* multiplier
    return product ^ product >> 32
  }

  @inline(__always)
  private func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}
