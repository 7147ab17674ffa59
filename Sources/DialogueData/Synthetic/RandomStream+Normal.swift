import TensorCore

extension RandomStream {
  /// A number with mean 0, variance 1 and nearly normal distribution, within ±3.47.
  ///
  /// The sum of four uniform numbers in integer arithmetic has the same bits on every machine,
  /// unlike logarithm and cosine, whose last bits differ between C libraries.
  mutating func nextNormal() -> Float {
    let first = nextWord32()
    let second = nextWord32()
    let sum = (first & 0xFFFF) + (first >> 16) + (second & 0xFFFF) + (second >> 16)
    // Each of the four has mean 65535 / 2 and variance (65536^2 - 1) / 12.
    return (Float(sum) - 131_070) * (1 / 37_837.23)
  }

  /// Whether an event of the given probability happens.
  mutating func nextEvent(probability: Double) -> Bool { nextUniformDouble() < probability }

  /// An index drawn in proportion to weights, at least one of which is positive.
  mutating func nextIndex(weights: [Int]) -> Int {
    var rest = nextInteger(below: weights.reduce(0, +))
    for (index, weight) in weights.enumerated() {
      if rest < weight { return index }
      rest -= weight
    }
    return weights.count - 1
  }
}
