/// The statistics of MELD's three splits, which the synthetic corpus reproduces.
///
/// Label totals are those of the paper's Table 4 with its columns under the right names (it prints
/// disgust, sadness and joy as sadness, joy and disgust). How many dialogues have 1, 2, 3, ...
/// utterances was counted in the published corpus; the counts agree with the paper's 1,433
/// dialogues and 13,708 utterances.
enum MELDStatistics {
  static let emotions = ["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"]

  /// The shares of dialogues with one speaker, with two, and so on, in percent.
  static let speakerCountShares = [9, 45, 26, 12, 5, 3]

  /// Utterances with each label, in the order of `emotions`.
  static func labelCounts(of split: SplitName) -> [Int] {
    switch split {
    case .train: [4710, 1205, 268, 683, 1743, 271, 1109]
    case .validation: [470, 150, 40, 111, 163, 22, 153]
    case .test: [1256, 281, 50, 208, 402, 68, 345]
    }
  }

  /// Dialogues with one utterance, with two, and so on.
  static func lengthCounts(of split: SplitName) -> [Int] {
    switch split {
    case .train:
      [
        70, 60, 54, 48, 67, 61, 74, 67, 50, 57, 55, 54, 36, 41, 43, 51, 30, 28, 27, 20, 20, 13, 7,
        5,
      ]
    case .validation:
      [6, 4, 7, 4, 9, 8, 4, 7, 5, 8, 13, 8, 6, 5, 3, 2, 4, 0, 4, 3, 1, 2, 1]
    case .test:
      [12, 17, 17, 17, 25, 21, 11, 16, 22, 17, 11, 17, 12, 11, 9, 7, 13, 4, 7, 4, 2, 3, 4]
        + [Int](repeating: 0, count: 9) + [1]
    }
  }

  /// Splits `total` in proportion to `weights`, by the method of largest remainders.
  ///
  /// The parts sum to `total` exactly; ties go to the earlier weight.
  static func apportion(_ total: Int, by weights: [Int]) -> [Int] {
    let sum = weights.reduce(0, +)
    precondition(sum > 0, "all weights are zero")
    var parts = weights.map { $0 * total / sum }
    let byRemainder = weights.indices.sorted {
      (weights[$1] * total % sum, $0) < (weights[$0] * total % sum, $1)
    }
    for index in byRemainder.prefix(total - parts.reduce(0, +)) { parts[index] += 1 }
    return parts
  }
}
