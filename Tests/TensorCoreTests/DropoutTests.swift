import TensorCore
import TestSupport
import Testing

@Suite("Dropout masks")
struct DropoutTests {
  let make = TensorFactory(seed: 20)
  let layer = Dropout(layer: "input.text")
  let randomness = Dropout.Randomness(seed: 0xA_0000_0001, step: 3, probability: 0.2)

  private func mask(
    _ layer: Dropout, lengths: [Int], identifiers: [Int], width: Int,
    _ randomness: Dropout.Randomness, workers: Int = 1
  ) -> [[Float]] {
    let groups = make.groups(lengths, identifiers: identifiers)
    let mask = make.arena.tensor(rows: groups.rowCount, columns: width)
    layer.fill(
      mask, groups: groups, randomness: randomness, workers: Workers(count: workers))
    return (0..<groups.count).map { mask.rows(groups.rows(of: $0)).values }
  }

  /// Word e of the stream decides element e, so no element knows whether it stands in a vector of
  /// blocks or in the tail.
  @Test("element by element from the stream's words", arguments: [0, 1, 3, 4, 7, 63, 64, 65, 301])
  func matchesStream(width: Int) {
    let masks = mask(layer, lengths: [3, 1], identifiers: [41, 7], width: width, randomness)
    for (mask, identifier) in zip(masks, [41, 7]) {
      var stream = RandomStream(
        seed: 0xA_0000_0001, purpose: "dropout.input.text", step: 3, item: identifier)
      let expected = mask.map { _ in
        stream.nextWord32() >= UInt32((0.2 * 0x1p32).rounded()) ? Float(1.25) : 0
      }
      expectSameBits(mask, expected, "group \(identifier)")
    }
  }

  @Test("the share of kept elements, and their mean", arguments: [0.0, 0.2, 0.5, 0.9])
  func share(probability: Double) {
    let randomness = Dropout.Randomness(seed: 5, step: 0, probability: probability)
    let mask = mask(layer, lengths: [200], identifiers: [0], width: 500, randomness)[0]
    let kept = Double(mask.count { $0 != 0 }) / Double(mask.count)
    // The standard deviation of the share is at most 0.5 / sqrt(100 000) = 0.0016.
    #expect(abs(kept - (1 - probability)) < 0.007)
    #expect(mask.allSatisfy { $0 == 0 || $0 == Float(1 / (1 - probability)) })
    if probability == 0 { #expect(kept == 1) }
  }

  @Test("a group's mask does not depend on its batch or the number of workers")
  func batchIndependence() {
    let together = mask(layer, lengths: [5, 1, 7], identifiers: [3, 9, 4], width: 33, randomness)
    let reordered = mask(
      layer, lengths: [7, 5], identifiers: [4, 3], width: 33, randomness, workers: 3)
    expectSameBits(reordered[0], together[2], "group 4")
    expectSameBits(reordered[1], together[0], "group 3")
    let threaded = mask(
      layer, lengths: [5, 1, 7], identifiers: [3, 9, 4], width: 33, randomness, workers: 2)
    expectSameBits(threaded.flatMap { $0 }, together.flatMap { $0 }, "2 workers")
  }

  @Test("layers, steps, seeds and groups have masks of their own")
  func independence() {
    func sample(
      _ layer: Dropout, seed: UInt64 = 1, step: Int = 0, group: Int = 0
    ) -> [Float] {
      let randomness = Dropout.Randomness(seed: seed, step: step, probability: 0.5)
      return mask(layer, lengths: [10], identifiers: [group], width: 100, randomness)[0]
    }
    let masks = [
      sample(layer), sample(Dropout(layer: "input.audio")), sample(layer, seed: 2),
      sample(layer, seed: 1 << 32 | 1), sample(layer, step: 1), sample(layer, group: 1),
    ]
    for a in masks.indices {
      for b in masks.indices where b > a {
        let equal = zip(masks[a], masks[b]).count { $0 == $1 }
        // Independent masks agree in half of 1000 places, with a standard deviation of 16.
        #expect(abs(equal - 500) < 80, "masks \(a) and \(b)")
      }
    }
  }
}
