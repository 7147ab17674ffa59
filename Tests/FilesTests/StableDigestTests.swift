import Testing

@testable import Files

@Suite("Digests")
struct StableDigestTests {
  /// The digest decides between ranks, so it must be the same in every build and on every machine.
  @Test("A digest is the same in every build, and any bit and any boundary changes it")
  func stableAndSensitive() {
    func digest(_ pieces: [[UInt8]]) -> UInt64 {
      var digest = StableDigest()
      for piece in pieces { piece.withUnsafeBytes { digest.add($0) } }
      return digest.value
    }
    let bytes = (0..<100).map { UInt8($0) }
    #expect(digest([bytes]) == 0xDC90_95CA_B248_B69D)  // from a separate program in Python
    var values: Set<UInt64> = [digest([bytes]), digest([]), digest([[]]), digest([[0]])]
    values.insert(digest([Array(bytes.prefix(50)), Array(bytes.suffix(50))]))
    for position in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[position] ^= 1 << bit
        values.insert(digest([changed]))
      }
    }
    #expect(values.count == 5 + 800)
  }
}
