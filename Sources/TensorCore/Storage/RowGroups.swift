/// The groups of consecutive rows of a packed tensor, such as those of each sequence.
package struct RowGroups: BitwiseCopyable {
  /// Group g has rows `offsets[g] ..< offsets[g + 1]`; one more entry than groups.
  package let offsets: UnsafeBufferPointer<Int>
  /// A number for each group, such as the index of a sequence in its dataset.
  ///
  /// It does not depend on the other groups. Dropout masks are functions of it.
  package let identifiers: UnsafeBufferPointer<Int>

  /// Groups over memory that outlives them.
  package init(offsets: UnsafeBufferPointer<Int>, identifiers: UnsafeBufferPointer<Int>) {
    precondition(offsets.count == identifiers.count + 1, "offsets need one entry more than groups")
    self.offsets = offsets
    self.identifiers = identifiers
  }

  /// The number of groups.
  package var count: Int { identifiers.count }

  /// The number of rows of all groups.
  package var rowCount: Int { offsets[count] }

  /// The rows of one group.
  package func rows(of group: Int) -> Range<Int> {
    offsets[group]..<offsets[group + 1]
  }

  /// The number of rows of the longest group, 0 without groups.
  package var longest: Int {
    var longest = 0
    for group in 0..<count { longest = max(longest, rows(of: group).count) }
    return longest
  }
}
