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
public final class AdamW {
  /// The settings that do not change during a run.
  public struct Options: Sendable {
    /// The decoupled weight decay of decayed segments.
    public var weightDecay = 0.01
    /// The decay of the first and of the second moment.
    public var betas = (first: 0.9, second: 0.999)
    /// Added to the denominator.
    public var epsilon = 1e-8

    /// PyTorch's and the paper's values.
    public init() {}
  }

  /// Neighbouring elements that are updated alike.
  public struct Segment: Sendable {
    /// The elements in the flat buffers.
    public let range: Range<Int>
    /// Whether weight decay applies.
    public let isDecayed: Bool
    /// The learning rate before the schedule.
    public let learningRate: Double

    /// - Parameters:
    ///   - range: the elements in the flat buffers.
    ///   - isDecayed: whether weight decay applies.
    ///   - learningRate: the learning rate before the schedule.
    public init(range: Range<Int>, isDecayed: Bool, learningRate: Double) {
      self.range = range
      self.isDecayed = isDecayed
      self.learningRate = learningRate
    }
  }

  /// The elements of the flat buffers that this optimizer updates.
  public let slice: Range<Int>
  /// The running mean of gradients, of the slice.
  public let firstMoment: FloatBuffer
  /// The running mean of squared gradients, of the slice.
  public let secondMoment: FloatBuffer
  /// The number of updates so far.
  public var updateCount = 0
  private let options: Options
  private let segments: [Segment]

  /// An optimizer with moments of zero.
  ///
  /// - Parameters:
  ///   - options: the settings that do not change during a run.
  ///   - segments: which elements are updated, and how.
  ///   - slice: the elements that are this optimizer's business; all, or those of a rank that shares
  ///     the work with others.
  public init(options: Options, segments: [Segment], slice: Range<Int>) {
    self.options = options
    self.segments = segments.compactMap { segment in
      let range = segment.range.clamped(to: slice)
      return range.isEmpty
        ? nil
        : Segment(range: range, isDecayed: segment.isDecayed, learningRate: segment.learningRate)
    }
    self.slice = slice
    firstMoment = FloatBuffer(count: slice.count)
    secondMoment = FloatBuffer(count: slice.count)
  }

  /// Updates the parameters of the slice.
  ///
  /// - Parameters:
  ///   - parameters: the flat buffer of values.
  ///   - gradients: the flat buffer of gradients.
  ///   - gradientScale: the factor of clipping.
  ///   - rateFactor: the factor of the schedule.
  ///   - workers: elements are divided between them.
  public func update(
    _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    gradientScale: Double, rateFactor: Double, workers: Workers
  ) {
    updateCount += 1
    for segment in segments {
      let step = Step(
        options, segment, updateCount: updateCount, gradientScale: gradientScale,
        rateFactor: rateFactor)
      workers.forEachChunk(of: segment.range.count, size: 1 << 15) { chunk in
        let first = segment.range.lowerBound + chunk.lowerBound
        step.run(
          parameters + first, gradients + first,
          firstMoment.pointer + (first - slice.lowerBound),
          secondMoment.pointer + (first - slice.lowerBound), count: chunk.count)
      }
    }
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

  func run(
    _ p: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
    _ v: UnsafeMutablePointer<Float>, count: Int
  ) {
    var index = 0
    while index &+ 8 <= count {
      let (newP, newM, newV) = element(
        SIMD8(loading: p + index), SIMD8(loading: g + index), SIMD8(loading: m + index),
        SIMD8(loading: v + index))
      newP.store(to: p + index)
      newM.store(to: m + index)
      newV.store(to: v + index)
      index &+= 8
    }
    // The tail goes through the same eight-lane code, so that its bits do not depend on where a
    // chunk ends.
    guard index < count else { return }
    let rest = count - index
    let (newP, newM, newV) = element(
      SIMD8(loading: p + index, count: rest), SIMD8(loading: g + index, count: rest),
      SIMD8(loading: m + index, count: rest), SIMD8(loading: v + index, count: rest))
    newP.store(to: p + index, count: rest)
    newM.store(to: m + index, count: rest)
    newV.store(to: v + index, count: rest)
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
