import Files
import TensorCore
import Testing

@testable import DialogueData

@Suite struct FeatureTests {
  // More than one piece of the audit, with a tail of a single value.
  private static let width = 101
  private static let rowCount = 401

  private func block(_ type: FeatureType, _ bytes: [UInt8]) -> FeatureBlock {
    let memory = MemoryBytes(bytes)
    return FeatureBlock(
      type: type, rowCount: Self.rowCount, width: Self.width, bytes: memory.bytes, owner: memory)
  }

  private func bytes(_ type: FeatureType, _ value: (Int) -> Float) -> [UInt8] {
    (0..<Self.rowCount * Self.width).flatMap { index -> [UInt8] in
      let value = value(index)
      switch type {
      case .single: return withUnsafeBytes(of: value) { Array($0) }
      case .half: return withUnsafeBytes(of: Float16(value)) { Array($0) }
      case .brain: return withUnsafeBytes(of: UInt16(value.bitPattern >> 16)) { Array($0) }
      }
    }
  }

  /// All values have few enough bits to be exact in every type.
  @Test(arguments: FeatureType.allCases)
  func rowsAreConverted(type: FeatureType) {
    let block = block(type, bytes(type) { Float($0 % 251) - 125 })
    var rows = [Float](repeating: .nan, count: 3 * Self.width)
    rows.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return }
      block.copy(rows: 7..<10, to: start)
    }
    #expect(rows == (7 * Self.width..<10 * Self.width).map { Float($0 % 251) - 125 })
  }

  @Test(arguments: FeatureType.allCases)
  func auditFindsTheFirstValueThatIsNotFinite(type: FeatureType) {
    let count = Self.rowCount * Self.width
    // Zero, the largest finite values and subnormals are no findings.
    let greatest: Float = type == .half ? 65_504 : Float(bitPattern: 0x7F7F_0000)
    let sound = bytes(type) { [0, -0.0, greatest, -greatest, 0x1p-24][$0 % 5] }
    var digest = StableDigest()
    #expect(FeatureAudit.read(block(type, sound), into: &digest) {} == nil)
    for (value, isNaN) in [(Float.nan, true), (.infinity, false), (-.infinity, false)] {
      for place in [0, 12_345, count - 1] {
        let spoilt = bytes(type) { $0 == place ? value : ($0 > place ? .nan : 1) }
        #expect(
          FeatureAudit.read(block(type, spoilt), into: &digest) {}
            == FeatureAudit.Finding(
              row: place / Self.width, column: place % Self.width, isNaN: isNaN))
      }
    }
  }

  @Test func tableFindsTheBlockOfADialogue() {
    func table(_ values: [Float]) -> FeatureBlock {
      FeatureTable(rowCount: values.count, width: 1) { memory in
        for (index, value) in values.enumerated() { memory[index] = value }
      }.blocks[0]
    }
    let joined = FeatureTable(width: 1, blocks: [table([0, 1, 2]), table([]), table([3, 4])])
    for rows in [0..<2, 2..<3, 3..<5, 4..<5] {
      var values = [Float](repeating: .nan, count: rows.count)
      values.withUnsafeMutableBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return }
        joined.copy(rows: rows, to: start)
      }
      #expect(values == rows.map(Float.init))
    }
  }
}
