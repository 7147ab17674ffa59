import Synchronization
import TensorCore

/// AdamW over flat buffers, in one pass over memory (Loshchilov and Hutter 2019).
///
/// ```
/// p <- p - rate decay p
/// m <- b1 m + (1 - b1) g
/// v <- b2 v + (1 - b2) g^2
/// p <- p - rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)
/// ```
/// with g the clipped gradient and t counted from 1: the order of operations is PyTorch's.
package final class AdamW {
  /// The settings that do not change during a run.
  package struct Options: Sendable {
    /// The decoupled weight decay of decayed segments.
    package var weightDecay = 0.01
    /// The decay of the first and of the second moment.
    package var betas = (first: 0.9, second: 0.999)
    /// Added to the denominator.
    package var epsilon = 1e-8

    /// PyTorch's and the paper's values.
    package init() {}
  }

  /// Neighbouring elements that are updated alike.
  package struct Segment: Sendable {
    /// The elements in the flat buffers.
    package let range: Range<Int>
    /// Whether weight decay applies.
    package let isDecayed: Bool
    /// The learning rate before the schedule.
    package let learningRate: Double

    /// - Parameters:
    ///   - range: the elements in the flat buffers.
    ///   - isDecayed: whether weight decay applies.
    ///   - learningRate: the learning rate before the schedule.
    package init(range: Range<Int>, isDecayed: Bool, learningRate: Double) {
      self.range = range
      self.isDecayed = isDecayed
      self.learningRate = learningRate
    }
  }

  /// The elements of the flat buffers that this optimizer updates.
  package let shard: Range<Int>
  /// The running mean of gradients, of the shard.
  package let firstMoment: FloatBuffer
  /// The running mean of squared gradients, of the shard.
  package let secondMoment: FloatBuffer
  /// The number of updates so far.
  package var updateCount = 0
  private let options: Options
  private let segments: [Segment]

  /// What the last update has found changed since the one before; nil where nothing was.
  package private(set) var damage: Damage?
  /// The sums of each segment as the last update has left it; empty before the first.
  private var sums: [BitSums] = []
  private let tally = Mutex((read: BitSums(), written: BitSums()))

  /// An optimizer with moments of zero.
  ///
  /// - Parameters:
  ///   - options: the settings that do not change during a run.
  ///   - segments: which elements are updated, and how.
  ///   - shard: the elements that this optimizer updates: all, or those of one rank.
  package init(options: Options, segments: [Segment], shard: Range<Int>) {
    self.options = options
    self.segments = segments.compactMap { segment in
      let range = segment.range.clamped(to: shard)
      return range.isEmpty
        ? nil
        : Segment(range: range, isDecayed: segment.isDecayed, learningRate: segment.learningRate)
    }
    self.shard = shard
    firstMoment = FloatBuffer(count: shard.count)
    secondMoment = FloatBuffer(count: shard.count)
    sums.reserveCapacity(self.segments.count)
  }

  /// Updates the parameters of the shard, and looks whether they are as the update before left them.
  ///
  /// Memory that fails changes a value for good, and nobody would know. So each update adds up the
  /// bits of all that it writes, and the next one compares what it reads; see ``damage``. Both pass
  /// through the processor anyway.
  ///
  /// - Parameters:
  ///   - parameters: the flat buffer of values.
  ///   - gradients: the flat buffer of gradients.
  ///   - gradientScale: the factor of clipping.
  ///   - rateFactor: the factor of the schedule.
  ///   - workers: elements are divided between them.
  package func update(
    _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    gradientScale: Double, rateFactor: Double, workers: Workers
  ) {
    updateCount += 1
    damage = nil
    for (index, segment) in segments.enumerated() {
      tally.withLock { $0 = (BitSums(), BitSums()) }
      let step = Step(
        options, segment, updateCount: updateCount, gradientScale: gradientScale,
        rateFactor: rateFactor)
      workers.forEachChunk(of: segment.range.count, size: 1 << 15) { chunk in
        let first = segment.range.lowerBound + chunk.lowerBound
        let (read, written) = step.run(
          parameters + first, gradients + first,
          firstMoment.pointer + (first - shard.lowerBound),
          secondMoment.pointer + (first - shard.lowerBound), count: chunk.count)
        tally.withLock {
          $0.read.add(read)
          $0.written.add(written)
        }
      }
      compare(segment, at: index)
    }
  }

  private func compare(_ segment: Segment, at index: Int) {
    let (read, written) = tally.withLock { $0 }
    guard index < sums.count else { return sums.append(written) }
    if damage == nil, let tensor = read.firstDifference(from: sums[index]) {
      damage = Damage(element: segment.range.lowerBound, tensor: tensor)
    }
    sums[index] = written
  }

  /// A change of a segment that no update has made.
  package struct Damage: Sendable, Equatable {
    /// What was changed.
    package enum Tensor: Sendable { case parameter, firstMoment, secondMoment }

    /// The first element of the segment, in the flat buffers.
    package let element: Int
    /// What was changed.
    package let tensor: Tensor
  }
}

/// The bits of a segment's elements, added up as numbers that wrap: in any order the same, and another
/// sum for every change of a single bit.
private struct BitSums {
  private var parameters: UInt32 = 0
  private var firstMoments: UInt32 = 0
  private var secondMoments: UInt32 = 0

  init() {}

  init(_ lanes: LaneSums) {
    parameters = lanes.p.wrappedSum()
    firstMoments = lanes.m.wrappedSum()
    secondMoments = lanes.v.wrappedSum()
  }

  mutating func add(_ other: BitSums) {
    parameters &+= other.parameters
    firstMoments &+= other.firstMoments
    secondMoments &+= other.secondMoments
  }

  func firstDifference(from other: BitSums) -> AdamW.Damage.Tensor? {
    if parameters != other.parameters { return .parameter }
    if firstMoments != other.firstMoments { return .firstMoment }
    return secondMoments != other.secondMoments ? .secondMoment : nil
  }
}

/// The same, lane by lane.
private struct LaneSums {
  var p = SIMD8<UInt32>()
  var m = SIMD8<UInt32>()
  var v = SIMD8<UInt32>()

  @inline(__always)
  mutating func add(_ vectors: (SIMD8<Float>, SIMD8<Float>, SIMD8<Float>)) {
    p &+= vectors.0.bits
    m &+= vectors.1.bits
    v &+= vectors.2.bits
  }
}

/// The constants of one update of one segment.
private struct Step {
  let decayFactor: Float
  let gradientScale: Float
  let firstBeta: Float
  let secondBeta: Float
  let firstWeight: Float
  let secondWeight: Float
  let rate: Float
  let rootCorrection: Float
  let epsilon: Float

  init(
    _ options: AdamW.Options, _ segment: AdamW.Segment, updateCount: Int, gradientScale: Double,
    rateFactor: Double
  ) {
    let learningRate = segment.learningRate * rateFactor
    let firstCorrection = 1 - power(options.betas.first, updateCount)
    let secondCorrection = 1 - power(options.betas.second, updateCount)
    decayFactor = segment.isDecayed ? Float(1 - learningRate * options.weightDecay) : 1
    self.gradientScale = Float(gradientScale)
    firstBeta = Float(options.betas.first)
    secondBeta = Float(options.betas.second)
    firstWeight = Float(1 - options.betas.first)
    secondWeight = Float(1 - options.betas.second)
    rate = Float(learningRate / firstCorrection)
    rootCorrection = Float(1 / secondCorrection.squareRoot())
    epsilon = Float(options.epsilon)
  }

  /// Updates some elements.
  ///
  /// - Returns: the bits that were read and those that were written.
  func run(
    _ p: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
    _ v: UnsafeMutablePointer<Float>, count: Int
  ) -> (read: BitSums, written: BitSums) {
    var (read, written) = (LaneSums(), LaneSums())
    var index = 0
    while index &+ 8 <= count {
      let old = (
        SIMD8(loading: p + index), SIMD8(loading: m + index), SIMD8(loading: v + index)
      )
      let new = element(old.0, SIMD8(loading: g + index), old.1, old.2)
      new.0.store(to: p + index)
      new.1.store(to: m + index)
      new.2.store(to: v + index)
      read.add(old)
      written.add(new)
      index &+= 8
    }
    // The tail goes through the same eight-lane code, so that its bits do not depend on where a
    // chunk ends.
    if index < count {
      let rest = count - index
      let old = (
        SIMD8(loading: p + index, count: rest), SIMD8(loading: m + index, count: rest),
        SIMD8(loading: v + index, count: rest)
      )
      let new = element(old.0, SIMD8(loading: g + index, count: rest), old.1, old.2)
      new.0.store(to: p + index, count: rest)
      new.1.store(to: m + index, count: rest)
      new.2.store(to: v + index, count: rest)
      read.add(old)
      // As the next update will read it, with zeros in the lanes that hold nothing.
      written.add(
        (
          SIMD8(loading: p + index, count: rest), SIMD8(loading: m + index, count: rest),
          SIMD8(loading: v + index, count: rest)
        ))
    }
    return (BitSums(read), BitSums(written))
  }

  @inline(__always)
  private func element(
    _ p: SIMD8<Float>, _ g: SIMD8<Float>, _ m: SIMD8<Float>, _ v: SIMD8<Float>
  ) -> (SIMD8<Float>, SIMD8<Float>, SIMD8<Float>) {
    let g = g * gradientScale
    let m = m * firstBeta + g * firstWeight
    let v = v * secondBeta + (g * g) * secondWeight
    let denominator = v.squareRoot() * rootCorrection + epsilon
    return (p * decayFactor - (m / denominator) * rate, m, v)
  }
}

/// `base` to a whole power by repeated squaring, the same on every C library.
private func power(_ base: Double, _ exponent: Int) -> Double {
  var result = 1.0
  var square = base
  var rest = exponent
  while rest > 0 {
    if rest & 1 == 1 { result *= square }
    square *= square
    rest >>= 1
  }
  return result
}
