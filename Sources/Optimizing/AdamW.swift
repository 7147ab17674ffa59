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
    /// The decay rates b1 of the first and b2 of the second moment.
    package var betas = (first: 0.9, second: 0.999)
    /// Added to the denominator.
    package var epsilon = 1e-8

    /// PyTorch's and the paper's values.
    package init() {}
  }

  /// Neighbouring elements with the same settings.
  package struct Segment: Sendable {
    /// The elements in the flat buffers.
    package let range: Range<Int>
    /// The decoupled weight decay, 0 for none.
    package let weightDecay: Double
    /// The learning rate before the schedule.
    package let learningRate: Double

    /// - Parameters:
    ///   - range: the elements in the flat buffers.
    ///   - weightDecay: the decoupled weight decay, 0 for none.
    ///   - learningRate: the learning rate before the schedule.
    package init(range: Range<Int>, weightDecay: Double, learningRate: Double) {
      self.range = range
      self.weightDecay = weightDecay
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

  private var memoryCheck: MemoryCheck

  /// A change since the previous update that the last one has detected; nil without one.
  package var damage: Damage? { memoryCheck.damage }

  /// An optimizer with moments of zero.
  ///
  /// - Parameters:
  ///   - options: the settings that do not change during a run.
  ///   - segments: the elements that are updated, with their settings.
  ///   - shard: the elements that this optimizer updates: all, or those of one rank.
  package init(options: Options, segments: [Segment], shard: Range<Int>) {
    self.options = options
    self.segments = segments.compactMap { segment in
      let range = segment.range.clamped(to: shard)
      return range.isEmpty
        ? nil
        : Segment(
          range: range, weightDecay: segment.weightDecay, learningRate: segment.learningRate)
    }
    self.shard = shard
    firstMoment = FloatBuffer(count: shard.count)
    secondMoment = FloatBuffer(count: shard.count)
    memoryCheck = MemoryCheck(segmentCount: self.segments.count)
  }

  /// Updates the parameters of the shard, and checks that they and the moments are as the update
  /// before has left them; see ``damage``.
  ///
  /// - Parameters:
  ///   - parameters: the flat buffer of values.
  ///   - gradients: the flat buffer of gradients.
  ///   - gradientScale: the factor of gradient clipping.
  ///   - rateFactor: the factor of the learning rate that the schedule gives.
  ///   - workers: the threads that share the elements.
  package func update(
    _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    gradientScale: Double, rateFactor: Double, workers: Workers
  ) {
    updateCount += 1
    memoryCheck.begin()
    for (index, segment) in segments.enumerated() {
      let update = SegmentUpdate(
        options, segment, updateCount: updateCount, gradientScale: gradientScale,
        rateFactor: rateFactor)
      let tally = BitTally()
      workers.forEachChunk(of: segment.range.count, size: 1 << 15) { chunk in
        let first = segment.range.lowerBound + chunk.lowerBound
        let moment = first - shard.lowerBound
        tally.add(
          update.run(
            parameters + first, gradients + first, firstMoment.pointer + moment,
            secondMoment.pointer + moment, count: chunk.count))
      }
      memoryCheck.compare(tally, segment: index, at: segment.range.lowerBound)
    }
  }
}

/// One update of the elements of a segment, which share its constants.
private struct SegmentUpdate {
  /// 1 - rate decay.
  let decayFactor: Float
  let gradientScale: Float
  /// b1 and b2.
  let firstBeta: Float
  let secondBeta: Float
  /// 1 - b1 and 1 - b2.
  let firstWeight: Float
  let secondWeight: Float
  /// rate / (1 - b1^t).
  let rate: Float
  /// 1 / sqrt(1 - b2^t).
  let rootCorrection: Float
  let epsilon: Float

  init(
    _ options: AdamW.Options, _ segment: AdamW.Segment, updateCount: Int, gradientScale: Double,
    rateFactor: Double
  ) {
    let learningRate = segment.learningRate * rateFactor
    let firstCorrection = 1 - power(options.betas.first, updateCount)
    let secondCorrection = 1 - power(options.betas.second, updateCount)
    decayFactor = Float(1 - learningRate * segment.weightDecay)
    self.gradientScale = Float(gradientScale)
    firstBeta = Float(options.betas.first)
    secondBeta = Float(options.betas.second)
    firstWeight = Float(1 - options.betas.first)
    secondWeight = Float(1 - options.betas.second)
    rate = Float(learningRate / firstCorrection)
    rootCorrection = Float(1 / secondCorrection.squareRoot())
    epsilon = Float(options.epsilon)
  }

  /// Updates neighbouring elements, eight at a time.
  ///
  /// - Returns: the bits that were read and written.
  func run(
    _ p: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
    _ v: UnsafeMutablePointer<Float>, count: Int
  ) -> UpdateBits {
    var bits = UpdateBits()
    var start = 0
    while start &+ 8 <= count {
      updateVector(p + start, g + start, m + start, v + start, length: 8, &bits)
      start &+= 8
    }
    if start < count {
      updateVector(p + start, g + start, m + start, v + start, length: count &- start, &bits)
    }
    return bits
  }

  /// Updates up to eight elements.
  ///
  /// ```
  /// g <- scale g
  /// m <- b1 m + (1 - b1) g
  /// v <- b2 v + (1 - b2) g^2
  /// p <- (1 - rate decay) p - rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)
  /// ```
  /// Every lane is treated alike, so that bits do not depend on where a chunk ends.
  @inline(__always)
  private func updateVector(
    _ p: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
    _ v: UnsafeMutablePointer<Float>, length: Int, _ bits: inout UpdateBits
  ) {
    let oldP = SIMD8(p, length: length)
    let oldM = SIMD8(m, length: length)
    let oldV = SIMD8(v, length: length)
    bits.addRead(oldP, oldM, oldV)
    let newG = SIMD8(g, length: length) * gradientScale
    let newM = oldM * firstBeta + newG * firstWeight
    let newV = oldV * secondBeta + (newG * newG) * secondWeight
    let denominator = newV.squareRoot() * rootCorrection + epsilon
    let newP = oldP * decayFactor - (newM / denominator) * rate
    newP.store(p, length: length)
    newM.store(m, length: length)
    newV.store(v, length: length)
    bits.addWritten(newP, newM, newV, length: length)
  }
}

/// `base` to a whole power by repeated squaring, with the same bits on every C library.
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
