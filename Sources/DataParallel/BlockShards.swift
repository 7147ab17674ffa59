/// Cuts a buffer into one slice per rank, each a run of whole blocks.
///
/// A block is the unit of the gradient norm and of a sharded optimizer, so that neither sees where a
/// slice ends. With fewer blocks than slices, some slices are empty.
package struct BlockShards {
  /// Elements in a block; the last block of a buffer may be shorter.
  package static let blockCount = 4096

  /// The number of elements of the buffer.
  package let count: Int

  /// The number of slices.
  package let slices: Int

  /// - Parameters:
  ///   - count: the number of elements of the buffer.
  ///   - slices: the number of slices.
  package init(count: Int, slices: Int) {
    self.count = count
    self.slices = slices
  }

  /// The elements of a slice.
  package func range(_ slice: Int) -> Range<Int> {
    bound(slice)..<bound(slice + 1)
  }

  /// The length of the longest slice.
  package var longest: Int {
    (0..<slices).reduce(0) { max($0, range($1).count) }
  }

  private func bound(_ slice: Int) -> Int {
    let blocks = (count + Self.blockCount - 1) / Self.blockCount
    return min(count, blocks * slice / slices * Self.blockCount)
  }
}
