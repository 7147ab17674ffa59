/// Inverted dropout, with masks that do not depend on the batch, the rank or the thread.
///
/// Element e of a group (`row in the group * width + column`) is kept when word e of the stream
/// (seed, layer, step, identifier of the group) is at least `probability * 2^32`; kept elements are
/// multiplied by `1 / (1 - probability)`.
package struct Dropout: BitwiseCopyable, Sendable {
  private let layer: UInt32

  /// The dropout of one layer of a model.
  ///
  /// - Parameter name: the name of the layer, which the masks depend on.
  package init(layer name: String) {
    layer = RandomStream.hash(of: "dropout.\(name)")
  }

  /// The seed, step and probability that the masks of a training step depend on.
  package struct Randomness: BitwiseCopyable, Sendable {
    let seed: UInt64
    let step: UInt32
    let threshold: UInt32
    let scale: Float

    /// The randomness of one step.
    ///
    /// - Parameters:
    ///   - seed: the seed of the run.
    ///   - step: the training step, from 0.
    ///   - probability: the share of elements that become zero, in 0 ..< 1.
    package init(seed: UInt64, step: Int, probability: Double) {
      precondition((0..<1).contains(probability), "probability \(probability) is not in 0 ..< 1")
      self.seed = seed
      self.step = UInt32(truncatingIfNeeded: step)
      threshold = UInt32((probability * 0x1p32).rounded())
      scale = Float(1 / (1 - probability))
    }
  }

  /// Writes the mask (0 or `1 / (1 - probability)`) of every element.
  ///
  /// - Parameters:
  ///   - mask: receives the mask of the rows of all groups, [N, width].
  ///   - groups: the rows of each group.
  ///   - randomness: that of the step.
  ///   - workers: groups are divided between them.
  package func fill(
    _ mask: Tensor, groups: RowGroups, randomness: Randomness, workers: Workers
  ) {
    precondition(
      mask.rows == groups.rowCount, "mask has \(mask.rows) rows, not \(groups.rowCount)")
    workers.forEachChunk(of: groups.count, size: 1) { range in
      for index in range {
        let rows = mask.rows(groups.rows(of: index))
        fill(rows.elements, group: groups.identifiers[index], randomness)
      }
    }
  }

  private func fill(
    _ elements: UnsafeMutableBufferPointer<Float>, group: Int, _ randomness: Randomness
  ) {
    guard let target = elements.baseAddress else { return }
    let counter = SIMD4(0, UInt32(truncatingIfNeeded: group), randomness.step, layer)
    var block: UInt32 = 0
    var element = 0
    let lanes = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    while element &+ 64 <= elements.count {
      let firstWord = lanes &+ block
      let words = Philox.blocks(firstWord: firstWord, counter: counter, key: randomness.seed)
      for lane in 0..<16 {
        let four = SIMD4(words.0[lane], words.1[lane], words.2[lane], words.3[lane])
        let mask = Self.mask(four, randomness)
        UnsafeMutableRawPointer(target + element + 4 * lane)
          .storeBytes(of: mask, as: SIMD4<Float>.self)
      }
      element &+= 64
      block &+= 16
    }
    fillTail(elements, from: element, counter: counter, randomness)
  }

  private func fillTail(
    _ elements: UnsafeMutableBufferPointer<Float>, from first: Int, counter: SIMD4<UInt32>,
    _ randomness: Randomness
  ) {
    var counter = counter
    for start in stride(from: first, to: elements.count, by: 4) {
      counter[0] = UInt32(truncatingIfNeeded: start / 4)
      let mask = Self.mask(Philox.block(counter: counter, key: randomness.seed), randomness)
      for lane in 0..<min(4, elements.count - start) { elements[start + lane] = mask[lane] }
    }
  }

  @inline(__always)
  private static func mask(_ words: SIMD4<UInt32>, _ randomness: Randomness) -> SIMD4<Float> {
    SIMD4(repeating: 0).replacing(
      with: SIMD4(repeating: randomness.scale),
      where: words .>= SIMD4(repeating: randomness.threshold))
  }
}
