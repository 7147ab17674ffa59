/// Finds the known name that is nearest to a mistyped one.
package enum NearestName {
  /// Returns the candidate with the smallest edit distance to `name`, the first one among equals.
  ///
  /// Case, `_` and `-` are ignored. A candidate with the same last component precedes one without, so
  /// `train.learning_rate` gives `optimizer.learningRate`.
  package static func nearest(to name: String, among candidates: [String]) -> String? {
    let plain = simplified(name)
    let leaf = lastComponent(of: plain)
    return candidates.min { left, right in
      cost(plain, leaf, simplified(left)) < cost(plain, leaf, simplified(right))
    }
  }

  /// The Levenshtein distance: insertions, deletions and substitutions of one character cost 1.
  package static func editDistance(_ left: String, _ right: String) -> Int {
    let right = Array(right)
    var row = Array(0...right.count)
    for (i, character) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for j in right.indices {
        let substitution = diagonal + (character == right[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }

  private static func cost(_ name: String, _ leaf: Substring, _ candidate: String) -> Int {
    let sameLeaf = name.contains(".") && lastComponent(of: candidate) == leaf
    return sameLeaf ? editDistance(name, candidate) : editDistance(name, candidate) + name.count
  }

  private static func simplified(_ name: String) -> String {
    name.lowercased().filter { $0 != "_" && $0 != "-" }
  }

  private static func lastComponent(of name: String) -> Substring {
    name.split(separator: ".", omittingEmptySubsequences: false).last ?? ""
  }
}
