import TensorCore

/// Lengths around the width of a vector: none, less than one, exactly one, several with a tail.
let oddSizes = [0, 1, 3, 7, 8, 9, 31, 300, 301]

/// Half a unit in the last place of `Float`, the relative error of one rounding.
let unitRoundoff = 0x1p-24

/// The relative error that a sum of `count` rounded products may show.
///
/// Errors of single roundings add up like a random walk in practice; four standard deviations are
/// allowed, and four roundings around the sum.
func sumTolerance(_ count: Int) -> Double {
  4 * unitRoundoff * (Double(max(count, 1)).squareRoot() + 4)
}
