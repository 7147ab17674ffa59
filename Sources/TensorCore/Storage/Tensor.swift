/// A dense matrix of `Float` in row-major order, in memory that it does not own.
///
/// Where a tensor has a row for each item of a batch, the rows of all sequences follow one another
/// without padding. The memory comes from a ``StepArena`` or a
/// ``FloatBuffer`` and must outlive the view.
package struct Tensor: BitwiseCopyable, @unchecked Sendable {
  /// The first element.
  package let pointer: UnsafeMutablePointer<Float>
  /// The number of rows.
  package let rows: Int
  /// The number of columns.
  package let columns: Int

  /// A view of `rows * columns` floats.
  package init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0, "shape [\(rows), \(columns)] is negative")
    self.pointer = pointer
    self.rows = rows
    self.columns = columns
  }

  /// The number of elements.
  package var count: Int { rows * columns }

  /// The elements in row-major order.
  package var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  /// The start of one row.
  package func row(_ index: Int) -> UnsafeMutablePointer<Float> {
    pointer + index * columns
  }

  /// A view of some of the rows.
  package func rows(_ range: Range<Int>) -> Tensor {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) are not in 0 ..< \(rows)")
    return Tensor(row(range.lowerBound), rows: range.count, columns: columns)
  }

  /// Whether two tensors have the same numbers of rows and columns.
  package func hasShape(of other: Tensor) -> Bool {
    rows == other.rows && columns == other.columns
  }

  /// Sets every element.
  package func fill(_ value: Float) {
    elements.update(repeating: value)
  }

  /// Copies every element of a tensor of the same shape.
  package func copy(from source: Tensor) {
    precondition(
      hasShape(of: source),
      "cannot copy [\(source.rows), \(source.columns)] to [\(rows), \(columns)]")
    pointer.update(from: source.pointer, count: count)
  }
}
