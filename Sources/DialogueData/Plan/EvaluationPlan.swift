/// The forward passes of an evaluation or prediction.
///
/// Dialogues are cut, in file order, into groups that depend on their lengths alone. Each group is
/// one forward pass on one rank, so a score has the same bits at every rank count.
package struct EvaluationPlan: Sendable, Equatable {
  /// The dialogues of each group, as ranges of the split's file order; none is empty.
  package let groups: [Range<Int>]

  /// Fills groups greedily: a dialogue that exceeds the budget begins the next group.
  ///
  /// - Parameters:
  ///   - dialogueLengths: utterances of every dialogue, in file order.
  ///   - utterancesPerGroup: the budget in utterances, which determines the peak memory; a longer
  ///     dialogue is a group by itself.
  package init(dialogueLengths: [Int], utterancesPerGroup: Int = 128) {
    precondition(utterancesPerGroup > 0, "\(utterancesPerGroup) utterances a group")
    var groups: [Range<Int>] = []
    var first = 0
    var load = 0
    for (dialogue, length) in dialogueLengths.enumerated() {
      if dialogue > first && load + length > utterancesPerGroup {
        groups.append(first..<dialogue)
        first = dialogue
        load = 0
      }
      load += length
    }
    if first < dialogueLengths.count { groups.append(first..<dialogueLengths.count) }
    self.groups = groups
  }
}
