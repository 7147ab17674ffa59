/// A dense matrix of `Float` in row-major order, in memory that somebody else owns.
///
/// Rows are utterances wherever a tensor belongs to the model, and all utterances of a micro-batch
/// stand one after another without padding. The memory comes from a ``StepArena`` or a
/// ``FloatBuffer`` and must outlive the view.
public struct Tensor: BitwiseCopyable, @unchecked Sendable {
  /// The first element.
  public let pointer: UnsafeMutablePointer<Float>
  /// The number of rows.
  public let rows: Int
  /// The number of columns.
  public let columns: Int

  /// A view of `rows * columns` floats.
  public init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0, "shape [\(rows), \(columns)] is negative")
    self.pointer = pointer
    self.rows = rows
    self.columns = columns
  }

  /// The number of elements.
  public var count: Int { rows * columns }

  /// The elements in row-major order.
  public var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  /// The start of one row.
  public func row(_ index: Int) -> UnsafeMutablePointer<Float> {
    pointer + index * columns
  }

  /// A view of some of the rows.
  public func rows(_ range: Range<Int>) -> Tensor {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) are not in 0 ..< \(rows)")
    return Tensor(row(range.lowerBound), rows: range.count, columns: columns)
  }

  /// Whether two tensors have the same numbers of rows and columns.
  public func hasShape(of other: Tensor) -> Bool {
    rows == other.rows && columns == other.columns
  }

  /// Sets every element.
  public func fill(_ value: Float) {
    elements.update(repeating: value)
  }

  /// Copies every element of a tensor of the same shape.
  public func copy(from source: Tensor) {
    precondition(
      hasShape(of: source),
      "cannot copy [\(source.rows), \(source.columns)] to [\(rows), \(columns)]")
    pointer.update(from: source.pointer, count: count)
  }
}
