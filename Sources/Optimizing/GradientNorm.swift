import TensorCore

/// The norm of a flat gradient buffer, and the factor that clipping by it gives.
///
/// Squares are added as `Double` over each of ``FlatBlocks``, and the blocks in the order of
/// ``SummationTree``, so the bits of the norm depend neither on threads nor on how the buffer is
/// divided into shards, as long as these are whole blocks.
package enum GradientNorm {
  /// Writes the sum of squares of each block.
  ///
  /// - Parameters:
  ///   - gradient: the flat buffer.
  ///   - squares: one number for each of ``FlatBlocks``.
  ///   - workers: the threads that share the blocks.
  package static func sumSquares(
    _ gradient: UnsafeMutableBufferPointer<Float>,
    into squares: UnsafeMutableBufferPointer<Double>, workers: Workers
  ) {
    precondition(
      squares.count == FlatBlocks.count(of: gradient.count), "one number is needed for each block")
    workers.forEachChunk(of: squares.count, size: 16) { blocks in
      for block in blocks {
        let start = block * FlatBlocks.elementCount
        let end = min(start + FlatBlocks.elementCount, gradient.count)
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
