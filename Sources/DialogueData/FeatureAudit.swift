import Files
import TensorCore

/// Reads features once, to find values that are not finite and to compute the digest.
///
/// A value is NaN or infinite exactly if all bits of its exponent are set, so no value is
/// converted. The bytes are read in pieces that fit into the first-level cache, and a piece is
/// tested and digested while it is there: the audit takes little more time than reading the file.
enum FeatureAudit {
  /// The position of a value that is not finite.
  struct Finding: Equatable {
    /// The row within the block.
    let row: Int
    let column: Int
    let isNaN: Bool
  }

  /// The size of a piece in bytes: a multiple of every value's size that fits into the first-level
  /// cache.
  private static let pieceByteCount = 32 * 1024

  /// Adds the block to a digest and returns its first value that is not finite.
  ///
  /// - Parameters:
  ///   - block: the features.
  ///   - digest: the features are added to it.
  ///   - whileReading: called after every piece.
  static func read(
    _ block: FeatureBlock, into digest: inout StableDigest, whileReading: () throws -> Void
  ) rethrows -> Finding? {
    digest.add(block.type.rawValue)
    digest.add(block.rowCount)
    digest.add(block.width)
    for start in stride(from: 0, to: block.bytes.count, by: pieceByteCount) {
      let end = min(start + pieceByteCount, block.bytes.count)
      let piece = UnsafeRawBufferPointer(rebasing: block.bytes[start..<end])
      if !isFinite(piece, type: block.type) {
        return finding(in: piece, at: start / block.type.byteCount, of: block)
      }
      digest.add(piece)
      try whileReading()
    }
    return nil
  }

  /// Whether all values of a piece are finite.
  ///
  /// Tests eight bytes at a time. Adding the lowest exponent bit of a value carries into its sign
  /// bit exactly if all exponent bits are set; no carry reaches the next value.
  private static func isFinite(_ piece: UnsafeRawBufferPointer, type: FeatureType) -> Bool {
    let repetition: UInt64 = type.byteCount == 4 ? 0x1_0000_0001 : 0x1_0001_0001_0001
    let mask = UInt64(type.exponentMask) &* repetition
    let lowest = UInt64(type.exponentMask & (0 &- type.exponentMask)) &* repetition
    let signs = mask &+ lowest
    var carries: UInt64 = 0
    for index in 0..<piece.count / 8 {
      let word = piece.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
      carries |= (word & mask) &+ lowest
    }
    var tail: UInt64 = 0
    for offset in (piece.count & ~7)..<piece.count {
      tail |= UInt64(piece[offset]) << UInt64(8 * (offset & 7))
    }
    carries |= (tail & mask) &+ lowest
    return carries & signs == 0
  }

  /// The first value of a piece that is not finite.
  private static func finding(
    in piece: UnsafeRawBufferPointer, at firstElement: Int, of block: FeatureBlock
  ) -> Finding? {
    let size = block.type.byteCount
    let mask = block.type.exponentMask
    // All bits below the sign and the exponent: zero if the value is infinite.
    let fraction = (size == 4 ? 0x7FFF_FFFF : 0x7FFF) & ~mask
    for offset in stride(from: 0, to: piece.count, by: size) {
      let bits =
        size == 4
        ? piece.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        : UInt32(piece.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      guard bits & mask == mask else { continue }
      let element = firstElement + offset / size
      return Finding(
        row: element / block.width, column: element % block.width, isNaN: bits & fraction != 0)
    }
    return nil
  }
}
