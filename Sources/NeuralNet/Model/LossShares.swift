import Autograd
import TensorCore

/// A named part of the loss and its weight.
package struct LossTerm: Sendable, Equatable {
  /// The column of the metrics and the key of `step`.
  package let name: String
  /// The factor in the loss.
  package let weight: Double

  /// - Parameters:
  ///   - name: the column of the metrics and the key of `step`.
  ///   - weight: the factor in the loss.
  package init(_ name: String, weight: Double = 1) {
    self.name = name
    self.weight = weight
  }
}

/// The unweighted parts of the loss that each micro-batch of a pass contributes.
package struct LossShares: BitwiseCopyable {
  private let values: UnsafeMutableBufferPointer<Double>
  private let termCount: Int

  /// Zero for every micro-batch.
  ///
  /// - Parameters:
  ///   - count: the number of micro-batches.
  ///   - termCount: the number of parts of the loss.
  ///   - arena: memory of the pass.
  package init(count: Int, termCount: Int, arena: StepArena) {
    values = arena.allocate(Double.self, count: count * termCount)
    values.initialize(repeating: 0)
    self.termCount = termCount
  }

  /// The number of micro-batches.
  package var count: Int { values.count / termCount }

  /// All parts of one micro-batch, in the order of ``Model/lossTerms``.
  package subscript(microBatch: Int) -> UnsafeBufferPointer<Double> {
    UnsafeBufferPointer(
      rebasing: values[microBatch * termCount..<(microBatch + 1) * termCount])
  }

  /// Adds the scaled sum of each micro-batch to its share of a part.
  ///
  /// - Parameters:
  ///   - sums: one for each micro-batch.
  ///   - scale: the factor that makes a sum a share.
  ///   - term: the index of the part in ``Model/lossTerms``.
  package func add(_ sums: SegmentSums, scale: Double, to term: Int) {
    for microBatch in 0..<count {
      values[microBatch * termCount + term] += scale * sums[microBatch]
    }
  }
}

/// A sum over the rows of the global batch, in all micro-batches of all ranks.
package protocol GlobalSum: AnyObject {
  /// Sums buffers over all micro-batches of all ranks, in the fixed tree; collective.
  ///
  /// - Parameters:
  ///   - count: the length of the buffers, the same on all ranks.
  ///   - addRows: adds the rows of one micro-batch, possibly none, to a buffer of zeros.
  /// - Returns: the sum, the same bits on every rank, valid until the next call.
  /// - Throws: if the communication fails.
  func sum(
    count: Int,
    _ addRows: (_ rows: Range<Int>, _ buffer: UnsafeMutableBufferPointer<Double>) -> Void
  ) throws -> UnsafeMutableBufferPointer<Double>
}
