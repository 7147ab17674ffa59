import Testing

@testable import Files

@Suite("Float conversion")
struct SafetensorsConversionTests {
  /// The value of half-precision bits by the definition in IEEE 754, section 3.4.
  private static func naiveHalf(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = Float(bits & 0x3FF) / 1024
    switch exponent {
    case 0: return sign * fraction * 0x1p-14
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default:
      return sign * (1 + fraction) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
    }
  }

  private static func convert(
    _ bits: [UInt16], _ body: (UnsafeRawPointer, Int, UnsafeMutablePointer<Float>) -> Void
  ) throws -> [Float] {
    var result = [Float](repeating: 0, count: bits.count)
    try bits.withUnsafeBytes { source in
      try result.withUnsafeMutableBufferPointer { target in
        body(try #require(source.baseAddress), bits.count, try #require(target.baseAddress))
      }
    }
    return result
  }

  /// NaN equals NaN here; all else, zeros of both signs included, must have the same bits.
  private static func isSame(_ left: Float, _ right: Float) -> Bool {
    left.isNaN ? right.isNaN : left.bitPattern == right.bitPattern
  }

  @Test("all 65536 half-precision numbers are widened exactly")
  func half() throws {
    let all = (0...UInt16.max).map { $0 }
    let found = try Self.convert(all) { FloatConversion.widenHalf(from: $0, count: $1, to: $2) }
    for bits in all {
      #expect(Self.isSame(found[Int(bits)], Self.naiveHalf(bits)), "bits \(bits)")
    }
    #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
      for bits in all {
        #expect(Self.isSame(found[Int(bits)], Float(Float16(bitPattern: bits))), "bits \(bits)")
      }
    #endif
  }

  @Test("all 65536 bfloat16 numbers are widened exactly, NaN with all its bits")
  func brainFloat() throws {
    let all = (0...UInt16.max).map { $0 }
    let found = try Self.convert(all) {
      FloatConversion.widenBrainFloat(from: $0, count: $1, to: $2)
    }
    for bits in all {
      #expect(found[Int(bits)].bitPattern == UInt32(bits) << 16, "bits \(bits)")
    }
  }

  @Test("the tail of a vector gives the same bits as its body", arguments: 0...17)
  func tails(count: Int) throws {
    let bits = (0..<count).map { UInt16(truncatingIfNeeded: 0x83FD &+ $0 &* 911) }
    let found = try Self.convert(bits + [0]) { source, _, target in
      FloatConversion.widenHalf(from: source, count: count, to: target)
    }
    for (index, value) in bits.enumerated() {
      #expect(Self.isSame(found[index], Self.naiveHalf(value)))
    }
    #expect(found[count].bitPattern == 0)
  }

  @Test("bytes without alignment are read as well")
  func unaligned() throws {
    let bytes: [UInt8] = [9] + [0x00, 0x3C, 0x00, 0xC0] + [UInt8](repeating: 0, count: 16)
    var found = [Float](repeating: 0, count: 10)
    try bytes.withUnsafeBytes { source in
      try found.withUnsafeMutableBufferPointer { target in
        FloatConversion.widenHalf(
          from: try #require(source.baseAddress) + 1, count: 10,
          to: try #require(target.baseAddress))
      }
    }
    #expect(found == [1, -2, 0, 0, 0, 0, 0, 0, 0, 0])
  }
}
