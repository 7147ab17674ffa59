/// Exact conversions of stored numbers to `Float`, eight at a time.
///
/// The source need not be aligned. Vector body and tail give the same bits.
package enum FloatConversion {
  /// Widens IEEE half-precision numbers, which are all exact in `Float`.
  ///
  /// - Parameters:
  ///   - source: `2 * count` bytes, little-endian.
  ///   - count: the number of values.
  ///   - target: receives `count` values.
  package static func widenHalf(
    from source: UnsafeRawPointer, count: Int, to target: UnsafeMutablePointer<Float>
  ) {
    widen16(from: source, count: count, to: target, halfBits)
  }

  /// Widens bfloat16 numbers, which are the upper halves of `Float` numbers.
  ///
  /// - Parameters:
  ///   - source: `2 * count` bytes, little-endian.
  ///   - count: the number of values.
  ///   - target: receives `count` values.
  package static func widenBrainFloat(
    from source: UnsafeRawPointer, count: Int, to target: UnsafeMutablePointer<Float>
  ) {
    widen16(from: source, count: count, to: target) { $0 &<< 16 }
  }

  /// Rounds double-precision numbers to the nearest `Float`, ties to even.
  ///
  /// - Parameters:
  ///   - source: `8 * count` bytes, little-endian.
  ///   - count: the number of values.
  ///   - target: receives `count` values.
  package static func roundDouble(
    from source: UnsafeRawPointer, count: Int, to target: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<count {
      target[index] = Float(source.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
    }
  }

  /// The `Float` bits of half-precision bits.
  ///
  /// With the exponent bits shifted to their position in `Float`, the difference of the biases,
  /// 112, is added to a normal number. It is added twice to infinities and NaN, to reach the
  /// exponent 255. For a subnormal number the bits are those of `2^-14 + value` without the leading
  /// one, which is subtracted again in floating point, exactly.
  @inline(__always)
  private static func halfBits(_ half: SIMD8<UInt32>) -> SIMD8<UInt32> {
    let exponentMask = SIMD8<UInt32>(repeating: 0x7C00 << 13)
    let bias = SIMD8<UInt32>(repeating: 112 << 23)
    let smallestNormal = SIMD8<UInt32>(repeating: 113 << 23)
    let magnitude = (half & 0x7FFF) &<< 13
    let exponent = magnitude & exponentMask
    let normal = magnitude &+ bias
    let shifted = floats(magnitude &+ smallestNormal)
    let subnormal = unsafeBitCast(shifted - floats(smallestNormal), to: SIMD8<UInt32>.self)
    // A comparison with a vector compiles to one instruction, one with a number to a loop.
    let finite = normal.replacing(with: subnormal, where: exponent .== SIMD8(repeating: 0))
    let result = finite.replacing(with: normal &+ bias, where: exponent .== exponentMask)
    return result | (half & 0x8000) &<< 16
  }

  @inline(__always)
  private static func floats(_ bits: SIMD8<UInt32>) -> SIMD8<Float> {
    unsafeBitCast(bits, to: SIMD8<Float>.self)
  }

  @inline(__always)
  private static func widen16(
    from source: UnsafeRawPointer, count: Int, to target: UnsafeMutablePointer<Float>,
    _ widened: (SIMD8<UInt32>) -> SIMD8<UInt32>
  ) {
    let raw = UnsafeMutableRawPointer(target)
    let bodyCount = count & ~7
    for index in stride(from: 0, to: bodyCount, by: 8) {
      let values = source.loadUnaligned(fromByteOffset: 2 * index, as: SIMD8<UInt16>.self)
      raw.storeBytes(
        of: widened(SIMD8<UInt32>(truncatingIfNeeded: values)), toByteOffset: 4 * index,
        as: SIMD8<UInt32>.self)
    }
    guard bodyCount < count else { return }
    var rest = SIMD8<UInt32>()
    for index in bodyCount..<count {
      let value = source.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
      rest[index - bodyCount] = UInt32(value)
    }
    let last = floats(widened(rest))
    for index in bodyCount..<count { target[index] = last[index - bodyCount] }
  }
}
