/// The counter-based generator Philox 4x32 with ten rounds.
///
/// A block of four words is a pure function of a 64-bit key and a 128-bit counter, so there is no
/// state to save, restore or share between ranks.
///
/// Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy
/// as 1, 2, 3", SC'11.
package enum Philox {
  /// The four random words that belong to one counter value.
  ///
  /// - Parameters:
  ///   - counter: position in the sequence, least significant word first.
  ///   - key: selects the sequence.
  /// - Returns: four words, each uniform over all 32-bit values.
  package static func block(counter: SIMD4<UInt32>, key: UInt64) -> SIMD4<UInt32> {
    var words = counter
    var roundKey = RoundKey(key)
    for _ in 0..<10 {
      let first = words[0].multipliedFullWidth(by: firstMultiplier)
      let second = words[2].multipliedFullWidth(by: secondMultiplier)
      words = SIMD4(
        second.high ^ words[1] ^ roundKey.first, second.low,
        first.high ^ words[3] ^ roundKey.second, first.low)
      roundKey.advance()
    }
    return words
  }

  /// Sixteen blocks at once, whose counters differ in their first word only.
  ///
  /// A round depends on the round before; sixteen blocks in two registers hide its latency.
  ///
  /// - Parameters:
  ///   - firstWord: the first counter word of each block.
  ///   - counter: the counter words that the blocks share; its first word is not read.
  ///   - key: selects the sequence.
  /// - Returns: words 0 to 3 of the sixteen blocks.
  @inline(__always)
  static func blocks(
    firstWord: SIMD16<UInt32>, counter: SIMD4<UInt32>, key: UInt64
  ) -> (SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>) {
    var words = (
      firstWord, SIMD16(repeating: counter[1]), SIMD16(repeating: counter[2]),
      SIMD16(repeating: counter[3])
    )
    var roundKey = RoundKey(key)
    for _ in 0..<10 {
      let first = fullProduct(words.0, firstMultiplier)
      let second = fullProduct(words.2, secondMultiplier)
      words = (
        second.high ^ words.1 ^ SIMD16(repeating: roundKey.first), second.low,
        first.high ^ words.3 ^ SIMD16(repeating: roundKey.second), first.low
      )
      roundKey.advance()
    }
    return words
  }

  private static let firstMultiplier: UInt32 = 0xD251_1F53
  private static let secondMultiplier: UInt32 = 0xCD9E_8D57

  /// The pair of words that each round mixes in (a Weyl sequence).
  private struct RoundKey {
    var first: UInt32
    var second: UInt32

    init(_ key: UInt64) {
      first = UInt32(truncatingIfNeeded: key)
      second = UInt32(truncatingIfNeeded: key >> 32)
    }

    @inline(__always)
    mutating func advance() {
      first &+= 0x9E37_79B9
      second &+= 0xBB67_AE85
    }
  }

  /// The halves of the products of all lanes.
  ///
  /// A lane of 64 bits holds an even word below an odd one, so both are multiplied in place;
  /// converting to wider lanes and back takes several times as long.
  @inline(__always)
  private static func fullProduct(
    _ words: SIMD16<UInt32>, _ multiplier: UInt32
  ) -> (high: SIMD16<UInt32>, low: SIMD16<UInt32>) {
    let pairs = unsafeBitCast(words, to: SIMD8<UInt64>.self)
    let lowMask = SIMD8<UInt64>(repeating: 0xFFFF_FFFF)
    let factor = SIMD8(repeating: UInt64(multiplier))
    let even = (pairs & lowMask) &* factor
    let odd = (pairs &>> 32) &* factor
    return (
      unsafeBitCast((even &>> 32) | (odd & ~lowMask), to: SIMD16<UInt32>.self),
      unsafeBitCast((even & lowMask) | (odd &<< 32), to: SIMD16<UInt32>.self)
    )
  }
}
