/// The blocks of a flat buffer: runs of 4096 elements, of which the last may be shorter.
///
/// A block is the unit of the gradient norm and of the shards of ranks, so that a result does not
/// depend on where a shard ends.
package enum FlatBlocks {
  /// The number of elements in a block.
  package static let elementCount = 4096

  /// The number of blocks of a buffer.
  ///
  /// - Parameter count: the number of elements of the buffer.
  package static func count(of count: Int) -> Int {
    (count + elementCount - 1) / elementCount
  }

  /// The blocks of a run of elements that begins with a block and ends with one, or with the buffer.
  package static func blocks(of elements: Range<Int>) -> Range<Int> {
    precondition(elements.lowerBound.isMultiple(of: elementCount), "\(elements) cuts a block")
    return elements.lowerBound / elementCount..<count(of: elements.upperBound)
  }
}
