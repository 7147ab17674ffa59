import TensorCore

/// The norm of a flat gradient buffer, and the factor that clipping by it gives.
///
/// Squares are added as `Double` over fixed blocks, and the blocks in a fixed binary tree, so the
/// bits of the norm depend neither on threads nor on how the buffer is divided between ranks, as
/// long as every share is whole blocks.
package enum GradientNorm {
  /// The number of elements in a block.
  package static let blockElements = 4096

  /// The number of blocks of a buffer; the last may be shorter.
  package static func blockCount(of count: Int) -> Int {
    (count + blockElements - 1) / blockElements
  }

  /// The blocks of a run of elements that begins with a block and ends with one, or with the buffer.
  package static func blocks(of elements: Range<Int>) -> Range<Int> {
    precondition(elements.lowerBound.isMultiple(of: blockElements), "\(elements) cuts a block")
    return elements.lowerBound / blockElements..<blockCount(of: elements.upperBound)
  }

  /// Writes the sum of squares of each block.
  ///
  /// - Parameters:
  ///   - gradient: the flat buffer.
  ///   - squares: one number for each block.
  ///   - workers: blocks are divided between them.
  package static func sumSquares(
    _ gradient: UnsafeMutableBufferPointer<Float>,
    into squares: UnsafeMutableBufferPointer<Double>, workers: Workers
  ) {
    precondition(
      squares.count == blockCount(of: gradient.count), "one number is needed for each block")
    workers.forEachChunk(of: squares.count, size: 16) { blocks in
      for block in blocks {
        let start = block * blockElements
        let end = min(start + blockElements, gradient.count)
        squares[block] = sumSquares(UnsafeMutableBufferPointer(rebasing: gradient[start..<end]))
      }
    }
  }

  private static func sumSquares(_ values: UnsafeMutableBufferPointer<Float>) -> Double {
    guard let pointer = values.baseAddress else { return 0 }
    var first = SIMD8<Double>(repeating: 0)
    var second = SIMD8<Double>(repeating: 0)
    var index = 0
    while index &+ 16 <= values.count {
      let a = SIMD8<Double>(SIMD8<Float>(loading: pointer + index))
      let b = SIMD8<Double>(SIMD8<Float>(loading: pointer + index + 8))
      first += a * a
      second += b * b
      index &+= 16
    }
    var sum = (first + second).sum()
    for rest in index..<values.count { sum += Double(values[rest]) * Double(values[rest]) }
    return sum
  }

  /// The norm from the sums of all blocks, which it overwrites.
  package static func combine(_ squares: UnsafeMutableBufferPointer<Double>) -> Double {
    SummationTree.sum(squares).squareRoot()
  }

  /// `min(1, limit / (norm + 1e-6))`, the factor that brings the norm down to the limit.
  package static func clipFactor(norm: Double, limit: Double) -> Double {
    min(1, limit / (norm + 1e-6))
  }
}
