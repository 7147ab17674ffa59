// Eight floats, the width of one AVX register: the vector type of all kernels.

extension SIMD8<Float> {
  /// Eight floats from memory of any alignment.
  @inline(__always)
  @inlinable
  package init(loading pointer: UnsafePointer<Float>) {
    self = UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self)
  }

  /// The first `count` floats from memory, the others zero.
  @inline(__always)
  @inlinable
  package init(loading pointer: UnsafePointer<Float>, count: Int) {
    self = SIMD8(repeating: 0)
    for lane in 0..<count { self[lane] = pointer[lane] }
  }

  /// Writes eight floats to memory of any alignment.
  @inline(__always)
  @inlinable
  package func store(to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: SIMD8<Float>.self)
  }

  /// Writes the first `count` lanes to memory.
  @inline(__always)
  @inlinable
  package func store(to pointer: UnsafeMutablePointer<Float>, count: Int) {
    for lane in 0..<count { pointer[lane] = self[lane] }
  }

  /// `self + a * b`: one rounding where the processor fuses, two in a portable build.
  @inline(__always)
  func adding(_ a: SIMD8<Float>, times b: SIMD8<Float>) -> SIMD8<Float> {
    #if DFERC_PORTABLE
      self + a * b
    #else
      addingProduct(a, b)
    #endif
  }

  /// The bit pattern of every lane.
  @inline(__always)
  @inlinable
  package var bits: SIMD8<UInt32> { unsafeBitCast(self, to: SIMD8<UInt32>.self) }

  @inline(__always)
  init(bits: SIMD8<UInt32>) {
    self = unsafeBitCast(bits, to: SIMD8<Float>.self)
  }

  /// The magnitude of every lane.
  @inline(__always)
  var magnitudes: SIMD8<Float> { SIMD8<Float>(bits: bits & 0x7FFF_FFFF) }

  /// The magnitudes of `self` with the signs of `other`.
  @inline(__always)
  func withSigns(of other: SIMD8<Float>) -> SIMD8<Float> {
    SIMD8<Float>(bits: magnitudes.bits | (other.bits & 0x8000_0000))
  }

  /// Lanes limited to `lowest ... highest`; a lane that is NaN stays NaN.
  @inline(__always)
  func limited(_ lowest: Float, _ highest: Float) -> SIMD8<Float> {
    let low = SIMD8(repeating: lowest)
    let high = SIMD8(repeating: highest)
    let raised = replacing(with: low, where: self .< low)
    return raised.replacing(with: high, where: raised .> high)
  }

  /// The sum of all lanes in a fixed order: halves, then quarters, then the last pair.
  @inline(__always)
  var total: Float {
    let four = lowHalf + highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }
}

/// Calls `body` for the start and length of every vector of a row of `count` floats.
///
/// The last vector may be partial. `body` must treat every lane alike, so that a result does not
/// depend on whether it was computed in a full vector or in the tail.
@inline(__always)
func forEachVector(count: Int, _ body: (_ start: Int, _ length: Int) -> Void) {
  var start = 0
  while start &+ 8 <= count {
    body(start, 8)
    start &+= 8
  }
  if start < count { body(start, count &- start) }
}

extension SIMD8<Float> {
  /// Loads `length` floats, where a length of eight compiles to one instruction.
  @inline(__always)
  @inlinable
  package init(_ pointer: UnsafePointer<Float>, length: Int) {
    self = length == 8 ? SIMD8(loading: pointer) : SIMD8(loading: pointer, count: length)
  }

  /// Stores `length` floats, where a length of eight compiles to one instruction.
  @inline(__always)
  @inlinable
  package func store(_ pointer: UnsafeMutablePointer<Float>, length: Int) {
    if length == 8 { store(to: pointer) } else { store(to: pointer, count: length) }
  }

  /// Stores `length` floats, or adds them to what is there.
  @inline(__always)
  func store(_ pointer: UnsafeMutablePointer<Float>, length: Int, accumulate: Bool) {
    let sum = accumulate ? SIMD8(pointer, length: length) + self : self
    sum.store(pointer, length: length)
  }
}
