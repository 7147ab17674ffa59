import TensorCore
import TestSupport
import Testing

/// Looked up rows against their naive twins.
@Suite("Lookup kernels against their naive twins")
struct LookupKernelTests {
  static let ids = [3, 0, 3, 3, 1, 0, 3, 5, 1, 3]
  static let segments = [[10], [4, 0, 6], [1, 2, 3, 4], [2, 2, 2, 2, 2]]

  let make = TensorFactory(seed: 23)

  @Test("forward copies rows", arguments: [1, 8, 11])
  func forward(width: Int) {
    let table = make.random(rows: 6, columns: width)
    let y = make.random(rows: Self.ids.count, columns: width)
    Lookup.forward(table, ids: make.integers(Self.ids), into: y)
    expectSameBits(y.values, Self.ids.flatMap { table.rows($0..<$0 + 1).values }, "rows")
  }

  @Test("backward", arguments: [1, 8, 11], segments)
  func backward(width: Int, lengths: [Int]) {
    let dy = make.random(rows: Self.ids.count, columns: width)
    for accumulate in [false, true] {
      let dtable = make.random(rows: 6, columns: width)
      var expected = accumulate ? Matrix(dtable) : Matrix(rows: 6, columns: width)
      let before = dtable.values
      for (row, id) in Self.ids.enumerated() {
        for column in 0..<width { expected[id, column] += Double(dy.row(row)[column]) }
      }
      run(dy, ids: Self.ids, lengths, into: dtable, accumulate: accumulate)
      expectClose(
        dtable.elements.map(Double.init), expected.values, tolerance: sumTolerance(6), floor: 1,
        "lookup backward")
      // Rows that nobody looked up.
      for id in [2, 4] {
        let elements = id * width..<(id + 1) * width
        expectSameBits(
          dtable.values[elements],
          accumulate ? Array(before[elements]) : [Float](repeating: 0, count: width), "row \(id)")
      }
    }
  }

  @Test("segments together have the bits of their sums in the tree")
  func tree() {
    let dy = make.random(rows: 10, columns: 11)
    let together = make.random(rows: 6, columns: 11)
    run(dy, ids: Self.ids, [1, 2, 3, 4], into: together, accumulate: false)
    var first = 0
    let leaves = [1, 2, 3, 4].map { count in
      let rows = first..<first + count
      first += count
      let leaf = make.random(rows: 6, columns: 11)
      run(dy.rows(rows), ids: Array(Self.ids[rows]), [count], into: leaf, accumulate: false)
      return leaf.values
    }
    let expected = leaves[0].indices.map {
      (leaves[0][$0] + leaves[1][$0]) + (leaves[2][$0] + leaves[3][$0])
    }
    expectSameBits(together.values, expected, "tree")
  }

  private func run(
    _ dy: Tensor, ids: [Int], _ lengths: [Int], into dtable: Tensor, accumulate: Bool
  ) {
    Lookup.backward(
      dy, ids: make.integers(ids), segments: make.segments(lengths), into: dtable,
      accumulate: accumulate, arena: make.arena)
  }
}
