import Testing

@testable import TensorCore

@Suite("Vectors of eight floats")
struct VectorTests {
  private let sequence: [Float] = (0..<32).map { Float($0) + 0.25 }

  @Test("loads and stores, whole and partial", arguments: 0...8)
  func loadsAndStores(length: Int) {
    sequence.withUnsafeBufferPointer { source in
      guard let start = source.baseAddress else { return }
      let vector = SIMD8<Float>(start + 3, length: length)
      for lane in 0..<8 { #expect(vector[lane] == (lane < length ? sequence[3 + lane] : 0)) }
      var target = [Float](repeating: -1, count: 16)
      target.withUnsafeMutableBufferPointer { target in
        guard let start = target.baseAddress else { return }
        vector.store(start + 5, length: length)
        vector.store(start + 5, length: length, accumulate: true)
      }
      for index in 0..<16 {
        let isInside = (5..<5 + length).contains(index)
        #expect(target[index] == (isInside ? 2 * sequence[index - 2] : -1))
      }
    }
  }

  @Test("limits keep NaN")
  func limits() {
    let vector = SIMD8<Float>(-5, -1, 0, 1, 5, .nan, .infinity, -.infinity).limited(-2, 3)
    #expect(vector[5].isNaN)
    #expect(
      vector.replacing(with: 9, where: vector .!= vector) == SIMD8(-2, -1, 0, 1, 3, 9, 3, -2))
  }

  @Test("magnitudes and signs")
  func signs() {
    let vector = SIMD8<Float>(-5, 5, -0.0, 0, -.infinity, 1, -1, 2)
    #expect(vector.magnitudes == SIMD8(5, 5, 0, 0, .infinity, 1, 1, 2))
    let signed = SIMD8<Float>(repeating: -7).withSigns(of: vector)
    #expect(signed == SIMD8(-7, 7, -7, 7, -7, 7, -7, 7))
  }

  @Test("the total adds lanes in a fixed order")
  func total() {
    // 2^24 + 1 is not a Float: another order of the additions would give another sum.
    let vector = SIMD8<Float>(0x1p24, 1, 1, 1, -0x1p24, 1, 1, 1)
    #expect(vector.total == 6)
    #expect(SIMD8<Float>(0x1p24, 0, 0, 0, 1, 0, 0, 0).total == 0x1p24)
    #expect(SIMD8<Float>(0, 1, 2, 3, 4, 5, 6, 7).total == 28)
  }

  @Test("every element is visited once, in order", arguments: [0, 1, 7, 8, 9, 31, 300])
  func visits(count: Int) {
    var visited: [Int] = []
    forEachVector(count: count) { start, length in
      #expect((1...8).contains(length))
      visited += start..<start + length
    }
    #expect(visited == Array(0..<count))
  }

  #if !DFERC_PORTABLE
    @Test("multiply and add round once")
    func fusedMultiplyAdd() {
      let x = 1 + 4 * Float.ulpOfOne
      let vector = SIMD8<Float>(repeating: -1).adding(
        SIMD8(repeating: x), times: SIMD8(repeating: x))
      #expect(vector[0] == Float(-1).addingProduct(x, x))
      #expect(vector[0] != x * x - 1)
    }
  #endif
}
