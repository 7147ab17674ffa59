// Elementary functions on eight floats at once. Polynomials are weighted minimax fits computed with
// 40 digits; a test compares every function with the C library over its range.

extension SIMD8<Float> {
  /// The exponential of every lane, within 2 units in the last place.
  ///
  /// Arguments are limited to -87.3 ... 88.3, so the result is always finite and positive; a NaN
  /// that comes from arithmetic, which has no payload, stays NaN.
  @inline(__always)
  var exponential: SIMD8<Float> {
    let x = limited(-87.3, 88.3)
    // Adding 1.5 * 2^23 rounds x / ln 2 to an integer n in the lowest bits.
    let magic = SIMD8(repeating: 0x1.8p23)
    let shifted = magic.adding(x, times: SIMD8(repeating: 1.442_695_04))
    let n = shifted - magic
    // r = x - n ln 2, with ln 2 in two parts so that the first product is exact.
    let r = x.adding(n, times: SIMD8(repeating: -0.693_359_375))
      .adding(n, times: SIMD8(repeating: 2.121_944_4e-4))
    let tail = SIMD8(repeating: 0.001_395_047_3)
      .times(r, plus: 0.008_368_882)
      .times(r, plus: 0.041_666_206)
      .times(r, plus: 0.166_665_18)
      .times(r, plus: 0.5)
    let fraction = SIMD8(repeating: 1) + r.adding(r * r, times: tail)
    return SIMD8<Float>(bits: fraction.bits &+ (shifted.bits &<< 23))
  }

  /// The logistic function `1 / (1 + exp(-x))` of every lane.
  @inline(__always)
  var logistic: SIMD8<Float> {
    let one = SIMD8(repeating: 1)
    return one / (one + (-self).exponential)
  }

  /// The hyperbolic tangent of every lane, within 3 units in the last place.
  @inline(__always)
  var hyperbolicTangent: SIMD8<Float> {
    let square = self * self
    let series = SIMD8(repeating: -0.005_717_054_7)
      .times(square, plus: 0.020_650_597)
      .times(square, plus: -0.053_743_5)
      .times(square, plus: 0.133_314_91)
      .times(square, plus: -0.333_332_84)
    let nearZero = self.adding(self * square, times: series)
    let one = SIMD8(repeating: 1)
    let two = SIMD8(repeating: 2)
    let far = one - two / (one + (magnitudes * two).exponential)
    return far.withSigns(of: self)
      .replacing(with: nearZero, where: magnitudes .< SIMD8(repeating: 0.625))
      .replacing(with: self, where: self .!= self)
  }

  /// The error function of every lane, with an absolute error below 2e-7.
  @inline(__always)
  var errorFunction: SIMD8<Float> {
    let square = self * self
    let nearZero =
      self
      * SIMD8(repeating: 7.889_387e-5)
      .times(square, plus: -0.000_802_092_8)
      .times(square, plus: 0.005_189_546)
      .times(square, plus: -0.026_854_452)
      .times(square, plus: 0.112_836)
      .times(square, plus: -0.376_126_26)
      .times(square, plus: 1.128_379_1)
    // For larger magnitudes, 1 - erf(|x|) = exp(P(|x|)), which is below half a unit from |x| = 4
    // on.
    let magnitude = magnitudes.limited(0, 4)
    let logarithm = SIMD8(repeating: 2.513_927_8e-7)
      .times(magnitude, plus: -2.531_573_8e-5)
      .times(magnitude, plus: 4.637_936e-4)
      .times(magnitude, plus: -0.004_282_401_4)
      .times(magnitude, plus: 0.025_373_595)
      .times(magnitude, plus: -0.108_639_05)
      .times(magnitude, plus: -0.633_039_6)
      .times(magnitude, plus: -1.129_661_2)
      .times(magnitude, plus: 2.043_632_4e-4)
    let far = (SIMD8(repeating: 1) - logarithm.exponential).withSigns(of: self)
    return far.replacing(with: nearZero, where: magnitudes .< SIMD8(repeating: 1))
      .replacing(with: self, where: self .!= self)
  }

  /// `self * factor + constant`, one step of Horner's rule.
  @inline(__always)
  private func times(_ factor: SIMD8<Float>, plus constant: Float) -> SIMD8<Float> {
    SIMD8(repeating: constant).adding(self, times: factor)
  }
}
