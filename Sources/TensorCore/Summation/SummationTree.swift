/// The order in which floating-point terms are added up, everywhere.
///
/// Floating-point addition is not associative, so the order is part of a result. Here it is the
/// binary tree over the terms' indices that joins neighbours, then pairs, then fours:
/// ```
/// ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))
/// ```
/// With a count that is not a power of two, the tree is that of the next power of two without the
/// missing leaves: three terms sum as `(0 + 1) + 2`, six as `((0 + 1) + (2 + 3)) + (4 + 5)`. An
/// aligned run of `2^k` terms is a subtree, which may be summed anywhere without changing a bit of
/// the whole.
///
/// The tree is computed on a stack: leaves are pushed in ascending order, and after each of them the
/// topmost two sums are replaced by their sum, the lower one on the left, as often as
/// ``joins(after:of:)`` says. The terms may be numbers, vectors, tiles or whole buffers:
/// ``sum(of:waiting:leaf:add:)`` makes one sum of values, ``TreeAccumulator`` of buffers that come
/// one after another, ``TreeReduction`` of buffers that are all at hand.
@usableFromInline
package enum SummationTree {
  /// How often the topmost two sums are joined after a leaf has been pushed.
  ///
  /// A leaf completes one subtree for each trailing one of its index. The last leaf joins all that
  /// is left.
  ///
  /// - Parameters:
  ///   - leaf: the index of the leaf, from 0.
  ///   - count: the number of leaves; nil while it is not known, before the last of them.
  @inlinable
  @inline(__always)
  package static func joins(after leaf: Int, of count: Int?) -> Int {
    if let count, leaf == count &- 1 { return leaf.nonzeroBitCount }
    return (~leaf).trailingZeroBitCount
  }

  /// The largest number of sums on the stack for a number of leaves, 0 for none.
  @inlinable
  package static func depth(of count: Int) -> Int {
    Int.bitWidth - count.leadingZeroBitCount
  }

  /// The sum of values that are made one after another; nil without a leaf.
  ///
  /// - Parameters:
  ///   - count: the number of leaves.
  ///   - waiting: scratch memory for ``depth(of:)`` values, the stack.
  ///   - leaf: makes the leaf of an index; called in ascending order.
  ///   - add: the sum of a left and a right part.
  @inlinable
  @inline(__always)
  package static func sum<Value: BitwiseCopyable>(
    of count: Int, waiting: UnsafeMutablePointer<Value>, leaf: (Int) -> Value,
    add: (_ left: Value, _ right: Value) -> Value
  ) -> Value? {
    guard count > 0 else { return nil }
    var height = 0
    for index in 0..<count {
      var top = leaf(index)
      for _ in 0..<joins(after: index, of: count) {
        height &-= 1
        top = add(waiting[height], top)
      }
      (waiting + height).initialize(to: top)
      height &+= 1
    }
    return waiting[0]
  }

  /// The sum of numbers, 0 without any; the memory of the terms is overwritten.
  package static func sum(_ terms: UnsafeMutableBufferPointer<Double>) -> Double {
    guard let start = terms.baseAddress else { return 0 }
    // The stack is never higher than the number of terms that have been read.
    return sum(of: terms.count, waiting: start, leaf: { terms[$0] }, add: +) ?? 0
  }
}
