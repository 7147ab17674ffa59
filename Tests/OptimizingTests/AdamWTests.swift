import Files
import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Optimizing

/// AdamW against `torch.optim.AdamW`, with clipping, schedule, and a learning rate of its own for
/// one of the tensors.
@Suite("AdamW")
struct AdamWTests {
  struct Options: Decodable {
    let steps: Int
    let learningRates: [String: Double]
    let weightDecays: [String: Double]
    let betas: [Double]
    let epsilon: Double
    let clipNorm: Double?
    let warmupSteps: Int
  }

  /// Tensors of the golden files, in the order in which they lie in the flat buffers here.
  static let names = ["matrix", "bias", "encoder"]

  /// Each update rounds a dozen times at 6e-8; eight of them follow one another.
  static let tolerance = 1e-6

  let make = TensorFactory(seed: 51)

  @Test("parameters and moments after every step", arguments: ["adamw", "adamw-clipped"])
  func golden(name: String) throws {
    let file = try SafetensorsFile(
      path: fixtureFolder().appendingPathComponent("\(name).safetensors").path)
    let options = try JSONDecoder().decode(
      Options.self, from: Data((file.header.metadata["options"] ?? "").utf8))
    var ranges: [String: Range<Int>] = [:]
    var count = 0
    for name in Self.names {
      let size = file.entry("parameter.\(name)")?.elementCount ?? 0
      ranges[name] = count..<count + size
      // A gap between tensors, which no segment covers.
      count += size + 3
    }
    let optimizer = try self.optimizer(options, ranges: ranges, count: count)
    let parameters = FloatBuffer(count: count)
    let gradients = FloatBuffer(count: count)
    for (name, range) in ranges {
      try file.copyFloats("parameter.\(name)", to: slice(parameters, range))
    }
    let schedule = LearningRateSchedule(
      warmupSteps: options.warmupSteps, totalSteps: options.steps)
    let norms = try file.doubles("expected.gradient_norms")
    let factors = try file.doubles("expected.learning_rate_factors")
    for step in 0..<options.steps {
      for (name, range) in ranges {
        try file.copyFloats("gradient.\(step).\(name)", to: slice(gradients, range))
      }
      let norm = gradientNorm(gradients)
      expectClose([norm], [norms[step]], tolerance: 1e-12, "norm of step \(step)")
      let factor = schedule.factor(step: step)
      expectClose([factor], [factors[step]], tolerance: 1e-15, "factor of step \(step)")
      optimizer.update(
        parameters.pointer, gradients: gradients.pointer,
        gradientScale: options.clipNorm.map { GradientNorm.clipFactor(norm: norm, limit: $0) } ?? 1,
        rateFactor: factor, workers: .single)
      for (name, range) in ranges {
        for (part, buffer) in [
          ("parameter", parameters), ("exp_avg", optimizer.firstMoment),
          ("exp_avg_sq", optimizer.secondMoment),
        ] {
          expectClose(
            Array(buffer.elements[range]), try file.floats("expected.\(step).\(part).\(name)"),
            tolerance: Self.tolerance, "\(part) of \(name) after step \(step)")
        }
      }
    }
    #expect(optimizer.updateCount == options.steps)
    let covered = Set(ranges.values.joined())
    for index in 0..<count where !covered.contains(index) {
      #expect(parameters.pointer[index] == 0)
    }
  }

  private func slice(
    _ buffer: FloatBuffer, _ range: Range<Int>
  ) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: buffer.elements[range])
  }

  private func optimizer(
    _ golden: Options, ranges: [String: Range<Int>], count: Int
  ) throws -> AdamW {
    var options = AdamW.Options()
    options.betas = (golden.betas[0], golden.betas[1])
    options.epsilon = golden.epsilon
    let segments = try Self.names.map { name in
      AdamW.Segment(
        range: try #require(ranges[name]),
        weightDecay: try #require(golden.weightDecays[name]),
        learningRate: try #require(golden.learningRates[name]))
    }
    return AdamW(options: options, segments: segments, shard: 0..<count)
  }

  /// What an update leaves behind: parameters, then both moments.
  private func state(
    segments: [AdamW.Segment], workers: Int, values: [Float], gradients: [Float]
  ) -> [Float] {
    let optimizer = AdamW(options: AdamW.Options(), segments: segments, shard: 0..<values.count)
    let parameters = FloatBuffer(count: values.count)
    _ = parameters.elements.update(from: values)
    for _ in 0..<2 {
      gradients.withUnsafeBufferPointer {
        guard let start = $0.baseAddress else { return }
        optimizer.update(
          parameters.pointer, gradients: start, gradientScale: 0.7, rateFactor: 0.3,
          workers: Workers(count: workers))
      }
    }
    return withExtendedLifetime(optimizer) {
      [parameters, optimizer.firstMoment, optimizer.secondMoment].flatMap { Array($0.elements) }
    }
  }

  @Test("bits depend neither on workers nor on where a segment ends")
  func bits() {
    let count = 3 << 15 + 5
    let values = make.values(count)
    let gradients = make.values(count)
    func run(_ cuts: [Int], workers: Int) -> [Float] {
      let segments = zip([0] + cuts, cuts + [count]).map {
        AdamW.Segment(range: $0..<$1, weightDecay: 0.01, learningRate: 1e-3)
      }
      return state(segments: segments, workers: workers, values: values, gradients: gradients)
    }
    let single = run([], workers: 1)
    for workers in [2, 3] { expectSameBits(run([], workers: workers), single, "\(workers)") }
    expectSameBits(run([1, 10, 4099, 70_001], workers: 1), single, "in segments")
  }

  @Test("shards have the bits of the whole, wherever segments end")
  func shards() {
    let count = 3 * 4096 + 77
    let values = make.values(count)
    let gradients = make.row(make.values(count))
    let segments = zip([0, 5, 4095, 9000], [5, 4095, 9000, count]).map {
      AdamW.Segment(
        range: $0..<$1, weightDecay: $0 == 5 ? 0.01 : 0, learningRate: $0 == 0 ? 1e-2 : 1e-3)
    }
    func run(_ shards: [Range<Int>]) -> (values: [Float], moments: [Float]) {
      let parameters = make.row(values)
      var moments: [Float] = []
      for shard in shards {
        let optimizer = AdamW(options: AdamW.Options(), segments: segments, shard: shard)
        for _ in 0..<2 {
          optimizer.update(
            parameters.pointer, gradients: gradients.pointer, gradientScale: 0.7,
            rateFactor: 0.3, workers: .single)
        }
        moments += optimizer.firstMoment.elements
      }
      return (parameters.values, moments)
    }
    let whole = run([0..<count])
    let parts = run([0..<4096, 4096..<4096, 4096..<12288, 12288..<count])
    expectSameBits(parts.values, whole.values, "parameters")
    expectSameBits(parts.moments, whole.moments, "moments")
  }

  @Test("a single bit that has changed since the last update is found in its segment")
  func damage() {
    let count = 4 << 15
    let cuts = [0, 5, 4099, 70_001, count]
    let segments = zip(cuts, cuts.dropFirst()).map {
      AdamW.Segment(range: $0..<$1, weightDecay: 0.01, learningRate: 1e-3)
    }
    let gradients = make.row(make.values(count))
    for workers in [1, 3] {
      let shard = 4096..<count
      let optimizer = AdamW(options: AdamW.Options(), segments: segments, shard: shard)
      let parameters = make.row(make.values(count))
      func found() -> AdamW.Damage? {
        optimizer.update(
          parameters.pointer, gradients: gradients.pointer, gradientScale: 1, rateFactor: 1,
          workers: Workers(count: workers))
        return optimizer.damage
      }
      func flip(_ bit: UInt32, of value: inout Float) {
        value = Float(bitPattern: value.bitPattern ^ 1 << bit)
      }
      #expect(found() == nil && found() == nil)
      // What another rank updates is its own business.
      flip(3, of: &parameters.pointer[4095])
      #expect(found() == nil)
      for bit: UInt32 in [0, 22, 31] {
        for element in [4096, 4098, 4099, 70_000, 70_001, count - 1] {
          let first = cuts.last { $0 <= element }.map { max($0, shard.lowerBound) } ?? 0
          flip(bit, of: &parameters.pointer[element])
          #expect(found() == AdamW.Damage(element: first, tensor: .parameter))
          flip(bit, of: &optimizer.firstMoment.pointer[element - shard.lowerBound])
          #expect(found() == AdamW.Damage(element: first, tensor: .firstMoment))
          flip(bit, of: &optimizer.secondMoment.pointer[element - shard.lowerBound])
          #expect(found() == AdamW.Damage(element: first, tensor: .secondMoment))
          #expect(found() == nil)
        }
      }
    }
  }

  @Test("lanes behind the last element do not count as damage")
  func emptyLanes() {
    var options = AdamW.Options()
    // An empty lane becomes 0 / 0.
    options.epsilon = 0
    let optimizer = AdamW(
      options: options,
      segments: [AdamW.Segment(range: 0..<11, weightDecay: 0.01, learningRate: 1e-3)], shard: 0..<11
    )
    let parameters = make.row(make.values(11))
    let gradients = make.row(make.values(11))
    for _ in 0..<3 {
      optimizer.update(
        parameters.pointer, gradients: gradients.pointer, gradientScale: 1, rateFactor: 1,
        workers: .single)
      #expect(optimizer.damage == nil)
    }
  }

  @Test("without a gradient only decay moves a parameter, and a rate of zero none")
  func decay() {
    let optimizer = AdamW(
      options: AdamW.Options(),
      segments: [
        AdamW.Segment(range: 0..<1, weightDecay: 0.01, learningRate: 0.5),
        AdamW.Segment(range: 1..<2, weightDecay: 0, learningRate: 0.5),
        AdamW.Segment(range: 2..<3, weightDecay: 0.01, learningRate: 0),
      ], shard: 0..<3)
    let parameters = make.row([2, 2, 2])
    optimizer.update(
      parameters.pointer, gradients: make.row([0, 0, 1]).pointer, gradientScale: 1, rateFactor: 1,
      workers: .single)
    #expect(parameters.values == [2 * Float(1 - 0.005), 2, 2])
  }

  @Test("the first step moves by the learning rate, whatever the gradient's size")
  func firstStep() {
    let optimizer = AdamW(
      options: AdamW.Options(),
      segments: [AdamW.Segment(range: 0..<3, weightDecay: 0, learningRate: 0.25)], shard: 0..<3)
    let parameters = make.row([0, 0, 0])
    optimizer.update(
      parameters.pointer, gradients: make.row([1e-3, -1e-5, 100]).pointer, gradientScale: 1,
      rateFactor: 0.5, workers: .single)
    // The least gradient is 1000 times epsilon, so the step is 0.1 % smaller.
    expectClose(parameters.values, [-0.125, 0.125, -0.125], tolerance: 2e-3, "step")
  }
}

/// The norm of a whole buffer, as a training step computes it.
func gradientNorm(_ gradients: FloatBuffer, workers: Int = 1) -> Double {
  var squares = [Double](repeating: 0, count: FlatBlocks.count(of: gradients.count))
  return squares.withUnsafeMutableBufferPointer {
    GradientNorm.sumSquares(gradients.elements, into: $0, workers: Workers(count: workers))
    return GradientNorm.combine($0)
  }
}
