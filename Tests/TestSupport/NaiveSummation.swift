/// The order of sums, written as a recursion.
package enum NaiveSummation {
  /// The sum of leaves by the definition: halves of the next power of two, missing leaves skipped.
  package static func tree<Scalar: BinaryFloatingPoint>(
    _ leaves: Range<Int>, _ leaf: (Int) -> Scalar
  ) -> Scalar {
    sparseTree(leaves) { leaf($0) } ?? 0
  }

  /// The same where some leaves are nil and nothing is added for them; nil if all are.
  package static func sparseTree<Scalar: BinaryFloatingPoint>(
    _ leaves: Range<Int>, _ leaf: (Int) -> Scalar?
  ) -> Scalar? {
    if leaves.count <= 1 { return leaves.first.flatMap(leaf) }
    var half = 1
    while half * 2 < leaves.count { half *= 2 }
    let middle = leaves.lowerBound + half
    let left = sparseTree(leaves.lowerBound..<middle, leaf)
    let right = sparseTree(middle..<leaves.upperBound, leaf)
    guard let left, let right else { return left ?? right }
    return left + right
  }
}
