import TensorCore

/// Makes tensors of reproducible random values for a test and owns their memory.
///
/// Keep it in a stored property of the suite: tensors do not keep it alive.
package final class TensorFactory {
  /// The memory of all tensors.
  package let arena = StepArena(blockByteCount: 1 << 16)
  private var stream: RandomStream

  /// A factory whose values follow from a seed.
  package init(seed: UInt64 = 1) {
    stream = RandomStream(seed: seed, purpose: "test")
  }

  /// Values uniform on -scale ..< scale.
  package func values(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in scale * (2 * stream.nextUniform() - 1) }
  }

  /// A tensor of values uniform on -scale ..< scale.
  package func random(rows: Int, columns: Int, scale: Float = 1) -> Tensor {
    tensor(values(rows * columns, scale: scale), rows: rows, columns: columns)
  }

  /// A tensor of given values.
  ///
  /// - Parameters:
  ///   - values: in row-major order.
  ///   - rows: the number of rows.
  ///   - columns: the number of columns.
  ///   - lane: how many floats behind the start of a cache line the first element stands.
  package func tensor(_ values: [Float], rows: Int, columns: Int, lane: Int = 0) -> Tensor {
    precondition(values.count == rows * columns, "\(values.count) values, not \(rows * columns)")
    let memory = arena.tensor(rows: 1, columns: lane + values.count)
    let tensor = Tensor(memory.pointer + lane, rows: rows, columns: columns)
    _ = tensor.elements.update(from: values)
    return tensor
  }

  /// A tensor of one row.
  package func row(_ values: [Float]) -> Tensor {
    tensor(values, rows: 1, columns: values.count)
  }

  /// A copy in memory of its own.
  package func copy(_ source: Tensor) -> Tensor {
    tensor(Array(source.elements), rows: source.rows, columns: source.columns)
  }

  /// Whole numbers that live as long as the factory.
  package func integers(_ values: [Int]) -> UnsafeBufferPointer<Int> {
    let memory = arena.allocate(Int.self, count: values.count)
    _ = memory.initialize(from: values)
    return UnsafeBufferPointer(memory)
  }

  /// Groups of given lengths; group g has identifier g unless others are given.
  package func groups(_ lengths: [Int], identifiers: [Int]? = nil) -> RowGroups {
    let offsets = lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    return RowGroups(
      offsets: integers(offsets), identifiers: integers(identifiers ?? Array(lengths.indices)))
  }

  /// Segments of given lengths.
  package func segments(_ lengths: [Int]) -> RowSegments {
    RowSegments(offsets: integers(lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }))
  }
}

extension Tensor {
  /// A copy of the elements, row-major.
  package var values: [Float] { Array(elements) }
}
