import TestSupport
import Testing

@testable import TensorCore

@Suite("Order of sums")
struct SummationTreeTests {
  let make = TensorFactory(seed: 77)

  /// Terms of very different size, so that any other order gives other bits in some element.
  private func leaves(_ count: Int, width: Int = 37) -> [[Float]] {
    (0..<count).map { leaf in
      (0..<width).map { Float(CollectiveChecks.value(leaf, $0)) }
    }
  }

  private func expected<Scalar: BinaryFloatingPoint>(_ leaves: [[Scalar]]) -> [Scalar] {
    leaves[0].indices.map { element in
      NaiveSummation.tree(leaves.indices) { leaves[$0][element] }
    }
  }

  // MARK: - The forms

  private func values(_ leaves: [[Double]]) -> [Double] {
    leaves[0].indices.map { element in
      var terms = leaves.map { $0[element] }
      return terms.withUnsafeMutableBufferPointer { SummationTree.sum($0) }
    }
  }

  private func accumulated<Scalar: BinaryFloatingPoint & BitwiseCopyable>(
    _ leaves: [[Scalar]]
  ) -> [Scalar] {
    var result = leaves[0]
    result.withUnsafeMutableBufferPointer { memory in
      guard let start = memory.baseAddress else { return }
      let accumulator = TreeAccumulator(count: memory.count, result: start)
      // The second sum must know nothing of the first.
      for sum in [[leaves[0], leaves[0], leaves[0]], leaves] {
        accumulator.begin()
        for leaf in sum { accumulator.addLeaf { $0.update(from: leaf, count: leaf.count) } }
        accumulator.finish()
      }
    }
    return result
  }

  private func reduced<Scalar: BinaryFloatingPoint & BitwiseCopyable>(
    _ leaves: [[Scalar]], over range: Range<Int>? = nil
  ) -> [Scalar] {
    let buffers = leaves.map { leaf in
      let buffer = UnsafeMutablePointer<Scalar>.allocate(capacity: leaf.count)
      buffer.initialize(from: leaf, count: leaf.count)
      return buffer
    }
    defer { buffers.forEach { $0.deallocate() } }
    let range = range ?? leaves[0].indices
    TreeReduction(bufferCount: buffers.count).sum(buffers, over: range, into: buffers)
    let results = buffers.map { Array(UnsafeBufferPointer(start: $0, count: leaves[0].count)) }
    for result in results { #expect(result[range] == results[0][range]) }
    return results[0]
  }

  /// Sums by a kernel over segments of one row each.
  private func kernel(_ leaves: [[Float]], _ body: (Tensor, RowSegments, Tensor) -> Void) -> [Float]
  {
    let x = make.tensor(leaves.flatMap { $0 }, rows: leaves.count, columns: leaves[0].count)
    let sum = make.random(rows: 1, columns: x.columns)
    body(x, make.segments([Int](repeating: 1, count: leaves.count)), sum)
    return sum.values
  }

  // MARK: - Tests

  @Test("all forms give the bits of the definition", arguments: 1...17)
  func forms(count: Int) {
    let leaves = leaves(count)
    let ones = make.tensor([Float](repeating: 1, count: count), rows: count, columns: 1)
    let floats: [(String, [Float])] = [
      ("accumulator", accumulated(leaves)), ("reduction", reduced(leaves)),
      (
        "rows",
        kernel(leaves) { Elementwise.sumRows($0, segments: $1, into: $2, accumulate: false) }
      ),
      (
        "scale gradient",
        kernel(leaves) {
          let ones = make.tensor([Float](repeating: 1, count: $0.count), rows: $0.rows, columns: 37)
          Normalization.scaleGradient(
            $0, normalized: ones, segments: $1, into: $2, accumulate: false)
        }
      ),
      (
        "table",
        kernel(leaves) {
          let ids = make.integers([Int](repeating: 0, count: count))
          Lookup.backward(
            $0, ids: ids, segments: $1, into: $2, accumulate: false, arena: make.arena)
        }
      ),
      (
        "weight gradient",
        kernel(leaves) {
          LinearProducts.reproducible.weightGradient(
            ones, $0, segments: $1, into: $2, accumulate: false, arena: make.arena,
            workers: .single)
        }
      ),
    ]
    for (name, sum) in floats { expectSameBits(sum, expected(leaves), "\(name), \(count)") }

    let wide = leaves.map { $0.map { Double($0) / 3 } }
    let doubles = [
      ("values", values(wide)), ("accumulator", accumulated(wide)), ("reduction", reduced(wide)),
    ]
    for (name, sum) in doubles {
      #expect(sum.map(\.bitPattern) == expected(wide).map(\.bitPattern), "\(name), \(count)")
    }
  }

  @Test("a missing leaf has no place in the tree", arguments: 1...17)
  func sparse(count: Int) {
    let leaves = leaves(count)
    for pattern in [0b1, 0b10, 0b1101, 0b0111_0010_0100_1011, 0b1_0000_0000_1000_0110] {
      let isThere = { (leaf: Int) in pattern >> leaf & 1 == 1 }
      let sum = kernel(leaves) { x, segments, sum in
        let total = segments.sparseTreeSum { rows in
          isThere(rows.lowerBound) ? SIMD8(x.row(rows.lowerBound), length: 8) : nil
        }
        sum.fill(0)
        total.store(sum.pointer, length: 8)
      }
      let expected = (0..<8).map { element in
        NaiveSummation.sparseTree(0..<count) { isThere($0) ? leaves[$0][element] : nil } ?? 0
      }
      expectSameBits(Array(sum[..<8]), expected, "\(count), \(pattern)")
    }
  }

  @Test("the order of additions can be seen")
  func shape() {
    // 2^24 + 1 is not a Float, so each way to bracket these sums gives another result.
    let big: Float = 16_777_216
    #expect(reduced([[big], [1], [-big], [1]]) == [(big + 1) + (-big + 1)])
    #expect(reduced([[1], [1], [big]]) == [big + 2])
    #expect(reduced([[big], [1], [1]]) == [big])
    let six: [Float] = [big, 1, 1, 1, 1, 1]
    #expect(reduced(six.map { [$0] }) == [((big + 1) + (1 + 1)) + (1 + 1)])
    #expect(values([[1], [0x1p53], [1], [1]]) == [0x1p53 + 2])
    #expect(values([[0x1p53], [1], [1], [0], [1]]) == [0x1p53])
  }

  @Test("leaves of another order are noticed")
  func sensitivity() {
    let leaves = leaves(4, width: 1000)
    let differing = expected(leaves).enumerated().filter { element, sum in
      leaves.reduce(0) { $0 + $1[element] } != sum
    }
    #expect(differing.count > 100)
  }

  @Test("many values are summed like few", arguments: [0, 1, 18, 33, 1000])
  func values(count: Int) {
    var terms = (0..<count).map { CollectiveChecks.value($0, 3) }
    let expected = NaiveSummation.tree(0..<count) { terms[$0] }
    #expect(terms.withUnsafeMutableBufferPointer { SummationTree.sum($0) } == expected)
  }

  @Test("buffers longer than a block are summed in full, and only in the range")
  func blocks() {
    let leaves = leaves(5, width: 5000)
    let sum = expected(leaves)
    expectSameBits(reduced(leaves), sum, "all")
    expectSameBits(
      reduced(leaves, over: 3..<4500), leaves[0][..<3] + sum[3..<4500] + leaves[0][4500...],
      "part")
  }

  @Test("the stack is as high as the number of leaves has bits")
  func depth() {
    #expect([0, 1, 2, 3, 4, 7, 8].map(SummationTree.depth) == [0, 1, 2, 2, 3, 3, 4])
    for count in 1...33 {
      var (height, highest) = (0, 0)
      for leaf in 0..<count {
        height += 1
        highest = max(highest, height)
        height -= SummationTree.joins(after: leaf, of: count)
      }
      #expect(height == 1)
      #expect(highest <= SummationTree.depth(of: count))
    }
  }
}
