import Foundation
import TestSupport
import Testing

@testable import TensorCore

/// Elementary functions against the C library in `Double`, over floats of every magnitude.
@Suite("Elementary functions of eight floats")
struct VectorMathTests {
  /// Every 1021st float of both signs: half a million finite values, denormals included.
  private func forEachFloat(
    from lowest: Float = 0, to highest: Float, _ body: (SIMD8<Float>) -> Void
  ) {
    for sign in [0, 0x8000_0000] as [UInt32] {
      for first in stride(from: lowest.bitPattern, through: highest.bitPattern, by: 1021 * 8) {
        let bits = SIMD8<UInt32>(0, 1, 2, 3, 4, 5, 6, 7) &* 1021 &+ first
        let last = SIMD8(repeating: highest.bitPattern)
        body(SIMD8<Float>(bits: bits.replacing(with: last, where: bits .> last) | sign))
      }
    }
  }

  /// The largest error in units in the last place of the exact result, with its argument.
  private func worstError(
    from lowest: Float = 0, to highest: Float, _ function: (SIMD8<Float>) -> SIMD8<Float>,
    _ exact: (Double) -> Double
  ) -> (units: Double, argument: Float) {
    var worst = (units: 0.0, argument: Float(0))
    forEachFloat(from: lowest, to: highest) { x in
      let y = function(x)
      for lane in 0..<8 {
        let wanted = exact(Double(x[lane]))
        let units = abs(Double(y[lane]) - wanted) / Double(Float(wanted).ulp)
        if !(units <= worst.units) { worst = (units, x[lane]) }
      }
    }
    return worst
  }

  @Test("exponential within 2 units in the last place")
  func exponential() {
    let worst = worstError(to: 87.2, { $0.exponential }, exp)
    #expect(worst.units <= 2, "\(worst)")
  }

  @Test("exponential is finite and positive everywhere")
  func exponentialLimits() {
    var lowest = Float.infinity
    var highest: Float = 0
    forEachFloat(to: .greatestFiniteMagnitude) { x in
      let y = x.exponential
      lowest = min(lowest, y.min())
      highest = max(highest, y.max())
    }
    #expect(lowest >= .leastNormalMagnitude && highest.isFinite)
    let ends = SIMD8<Float>(
      .infinity, -.infinity, 88.3, -87.3, 0, -0.0, .leastNonzeroMagnitude,
      -Float.leastNonzeroMagnitude
    ).exponential
    #expect(ends[0] == ends[2] && ends[1] == ends[3])
    #expect(ends[4] == 1 && ends[5] == 1 && ends[6] == 1 && ends[7] == 1)
  }

  @Test("logistic function within 4 units in the last place where it is a normal number")
  func logistic() {
    let worst = worstError(to: 87.2, { $0.logistic }, Naive.logistic)
    #expect(worst.units <= 4, "\(worst)")
    let ends = SIMD8<Float>(.infinity, -.infinity, 1e30, -1e30, 0, -0.0, 100, -100).logistic
    #expect(ends[0] == 1 && ends[2] == 1 && ends[6] == 1 && ends[4] == 0.5 && ends[5] == 0.5)
    #expect(ends[1] >= 0 && ends[1] < 1e-37 && ends[3] == ends[1] && ends[7] == ends[1])
  }

  @Test("hyperbolic tangent within 3 units in the last place")
  func hyperbolicTangent() {
    let worst = worstError(to: .greatestFiniteMagnitude, { $0.hyperbolicTangent }, tanh)
    #expect(worst.units <= 3, "\(worst)")
    let ends = SIMD8<Float>(
      .infinity, -.infinity, 1e30, -1e30, 0, -0.0, .leastNonzeroMagnitude,
      -Float.leastNonzeroMagnitude
    )
    .hyperbolicTangent
    #expect(
      ends == SIMD8<Float>(1, -1, 1, -1, 0, 0, .leastNonzeroMagnitude, -Float.leastNonzeroMagnitude)
    )
  }

  @Test("error function within 2e-7")
  func errorFunction() {
    var worst = 0.0
    forEachFloat(to: .greatestFiniteMagnitude) { x in
      let y = x.errorFunction
      for lane in 0..<8 {
        let distance = abs(Double(y[lane]) - erf(Double(x[lane])))
        worst = distance.isNaN || abs(y[lane]) > 1 ? .infinity : max(worst, distance)
      }
    }
    #expect(worst < 2e-7)
    let ends = SIMD8<Float>(
      .infinity, -.infinity, 1e30, -1e30, 0, -0.0, .leastNonzeroMagnitude,
      -Float.leastNonzeroMagnitude
    )
    .errorFunction
    #expect(ends[0] == 1 && ends[1] == -1 && ends[2] == 1 && ends[3] == -1)
    #expect(ends[4] == 0 && ends[5] == 0 && ends[6] >= 0 && ends[7] <= 0)
  }

  @Test("functions do not jump where their parts meet")
  func joints() {
    for edge in [0.625, 1, 4] as [Float] {
      let x = SIMD8<Float>(
        edge.nextDown, edge, edge.nextUp, -edge.nextDown, -edge, -edge.nextUp, 0, 0)
      for (y, exact) in [
        (x.hyperbolicTangent, tanh as (Double) -> Double), (x.errorFunction, erf),
      ] {
        for lane in 0..<6 { #expect(abs(Double(y[lane]) - exact(Double(x[lane]))) < 2e-7) }
      }
    }
  }

  @Test(
    "NaN, as arithmetic makes it, stays NaN",
    arguments: [
      Float.nan, -Float.nan, Float.infinity - .infinity, Float(nan: 0x200, signaling: false),
    ])
  func notANumber(value: Float) {
    let x = SIMD8<Float>(0, value, 1, value, -1, 50, -50, value)
    for y in [x.exponential, x.logistic, x.hyperbolicTangent, x.errorFunction] {
      for lane in 0..<8 { #expect(y[lane].isNaN == x[lane].isNaN) }
    }
  }

  @Test("a lane's bits do not depend on its neighbours")
  func lanes() {
    let make = TensorFactory(seed: 21)
    let values = make.values(64, scale: 5)
    for start in 0..<56 {
      let x = SIMD8<Float>(values[start..<start + 8])
      let alone = SIMD8<Float>(values[start], 0, .nan, .infinity, -3, 1e30, 0, 0)
      #expect(x.exponential[0] == alone.exponential[0])
      #expect(x.logistic[0] == alone.logistic[0])
      #expect(x.hyperbolicTangent[0] == alone.hyperbolicTangent[0])
      #expect(x.errorFunction[0] == alone.errorFunction[0])
    }
  }
}
