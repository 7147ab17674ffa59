/// A sequence of random numbers that is a pure function of a seed, a purpose, a step and an item.
///
/// Streams that differ in any of these are independent. A stream is created where it is used, so
/// checkpoints store none.
///
/// The layout of the Philox counter is fixed, because the bits of every run depend on it:
///
/// | word | holds |
/// |---|---|
/// | 0 | block of four numbers inside the stream |
/// | 1 | item (for dropout: the identifier of the group) |
/// | 2 | step (or epoch) |
/// | 3 | FNV-1a hash of the purpose |
///
/// The key is the seed of the run.
package struct RandomStream: RandomNumberGenerator, Sendable {
  private let seed: UInt64
  private var counter: SIMD4<UInt32>
  private var words = SIMD4<UInt32>()
  private var nextWord = 4

  /// Starts the stream of a purpose, a step and an item.
  ///
  /// - Parameters:
  ///   - seed: the seed of the run.
  ///   - purpose: the use of the numbers, such as `shuffle` or the name of a parameter.
  ///   - step: the training step or the epoch, 0 where there is none.
  ///   - item: the group or element the numbers belong to, 0 where there is none.
  package init(seed: UInt64, purpose: String, step: Int = 0, item: Int = 0) {
    self.seed = seed
    counter = SIMD4(
      0, UInt32(truncatingIfNeeded: item), UInt32(truncatingIfNeeded: step),
      Self.hash(of: purpose))
  }

  /// The 32-bit FNV-1a hash of a purpose, which is the last word of the counter.
  package static func hash(of purpose: String) -> UInt32 {
    purpose.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
  }

  /// The next 32 random bits.
  package mutating func nextWord32() -> UInt32 {
    if nextWord == 4 {
      words = Philox.block(counter: counter, key: seed)
      counter[0] &+= 1
      nextWord = 0
    }
    defer { nextWord += 1 }
    return words[nextWord]
  }

  /// The next 64 random bits, low word first.
  package mutating func next() -> UInt64 {
    let low = UInt64(nextWord32())
    return UInt64(nextWord32()) << 32 | low
  }

  /// The next number uniform on [0, 1), a multiple of 2^-24, exact in `Float`.
  package mutating func nextUniform() -> Float {
    Float(nextWord32() >> 8) * 0x1p-24
  }

  /// The next number uniform on [0, 1), a multiple of 2^-53.
  package mutating func nextUniformDouble() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// A number uniform on 0 ..< `bound`, without bias (Lemire's multiply-and-reject method).
  ///
  /// Implemented here, because the numbers of `Int.random(in:using:)` may change with the version
  /// of the standard library.
  ///
  /// - Precondition: `bound` is positive and below 2^32.
  package mutating func nextInteger(below bound: Int) -> Int {
    precondition(bound > 0 && bound <= UInt32.max, "bound \(bound) is not in 1 ... 2^32 - 1")
    let bound = UInt32(bound)
    let threshold = (0 &- bound) % bound
    while true {
      let product = nextWord32().multipliedFullWidth(by: bound)
      if product.low >= threshold { return Int(product.high) }
    }
  }

  /// A random order of 0 ..< `count`, every order equally likely (Fisher and Yates).
  package mutating func permutation(of count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, nextInteger(below: last + 1))
    }
    return order
  }
}
