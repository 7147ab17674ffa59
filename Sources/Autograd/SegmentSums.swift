/// One sum for each micro-batch of a pass.
package struct SegmentSums: BitwiseCopyable {
  private let values: UnsafeBufferPointer<Double>

  init(_ values: UnsafeBufferPointer<Double>) { self.values = values }

  /// The number of micro-batches.
  package var count: Int { values.count }

  /// The sum of one micro-batch.
  package subscript(segment: Int) -> Double { values[segment] }

  /// The sum over all micro-batches, in ascending order.
  package var total: Double { values.reduce(0, +) }
}
