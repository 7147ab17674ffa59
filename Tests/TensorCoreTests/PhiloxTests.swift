import Testing

@testable import TensorCore

/// Philox against the known answers of its authors' library Random123 (file `kat_vectors`).
@Suite("Philox 4x32-10")
struct PhiloxTests {
  struct KnownAnswer: Sendable {
    let counter: SIMD4<UInt32>
    let key: (first: UInt32, second: UInt32)
    let words: SIMD4<UInt32>

    static let all = [
      KnownAnswer(
        counter: SIMD4(repeating: 0), key: (0, 0),
        words: SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)),
      KnownAnswer(
        counter: SIMD4(repeating: .max), key: (.max, .max),
        words: SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)),
      KnownAnswer(
        counter: SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344),
        key: (0xA409_3822, 0x299F_31D0),
        words: SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)),
    ]
  }

  /// Random123 lists words from the least significant on, the key's too.
  @Test("known answers", arguments: KnownAnswer.all)
  func knownAnswer(answer: KnownAnswer) {
    let key = UInt64(answer.key.second) << 32 | UInt64(answer.key.first)
    #expect(Philox.block(counter: answer.counter, key: key) == answer.words)
  }

  @Test(
    "sixteen blocks at once are sixteen single blocks",
    arguments: [0, 7, 0xFFFF_FFFC] as [UInt32], [0, 0x299F_31D0_A409_3822] as [UInt64])
  func sixteenBlocks(first: UInt32, key: UInt64) {
    let shared = SIMD4<UInt32>(99, 0x85A3_08D3, 0xFFFF_FFFF, 3)
    let firstWord = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) &+ first
    let words = Philox.blocks(firstWord: firstWord, counter: shared, key: key)
    for lane in 0..<16 {
      var counter = shared
      counter[0] = firstWord[lane]
      let block = Philox.block(counter: counter, key: key)
      #expect(SIMD4(words.0[lane], words.1[lane], words.2[lane], words.3[lane]) == block)
    }
  }
}
