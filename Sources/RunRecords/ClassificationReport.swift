/// The scores of a split in the output of `evaluate` and in `result.json`.
package struct ClassificationReport: Sendable, Equatable, Codable {
  /// The scores of one emotion.
  package struct Emotion: Sendable, Equatable, Codable {
    /// The name of the emotion.
    package let emotion: String
    /// The share of the predictions of this emotion that are correct, 0...1.
    package let precision: Double
    /// The share of the utterances of this emotion that were predicted as such, 0...1.
    package let recall: Double
    /// The harmonic mean of precision and recall, 0...1.
    package let f1: Double
    /// The number of utterances labelled with this emotion.
    package let support: Int64
  }

  /// The share of utterances whose prediction is their label, 0...1.
  package let accuracy: Double

  /// The F1 averaged over emotions, weighted with their support, 0...1.
  package let weightedF1: Double

  /// The number of scored utterances.
  package let utterances: Int64

  /// The scores of each emotion, in the order of the dataset.
  package let classes: [Emotion]

  /// The counts: one row a labelled emotion, one column a predicted one.
  package let confusionMatrix: [[Int64]]

  package enum CodingKeys: String, CodingKey {
    case accuracy, utterances, classes
    case weightedF1 = "weighted_f1"
    case confusionMatrix = "confusion_matrix"
  }

  /// Computes the scores from a confusion matrix.
  ///
  /// - Parameters:
  ///   - matrix: The counts of the whole split.
  ///   - emotions: The names of the classes, in the order of the matrix.
  package init(_ matrix: ConfusionMatrix, emotions: [String]) {
    precondition(
      emotions.count == matrix.classCount,
      "\(emotions.count) names for \(matrix.classCount) classes")
    accuracy = matrix.accuracy
    weightedF1 = matrix.weightedF1
    utterances = matrix.total
    classes = emotions.enumerated().map { index, name in
      let score = matrix.score(of: index)
      return Emotion(
        emotion: name, precision: score.precision, recall: score.recall, f1: score.f1,
        support: score.support)
    }
    confusionMatrix = matrix.rows
  }
}

// MARK: - Reading

extension ClassificationReport {
  /// Decodes a report; throws if its matrix does not match its classes.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    accuracy = try container.decode(Double.self, forKey: .accuracy)
    weightedF1 = try container.decode(Double.self, forKey: .weightedF1)
    utterances = try container.decode(Int64.self, forKey: .utterances)
    let classes = try container.decode([Emotion].self, forKey: .classes)
    confusionMatrix = try container.decode([[Int64]].self, forKey: .confusionMatrix)
    self.classes = classes
    guard
      ([confusionMatrix.count] + confusionMatrix.map(\.count)).allSatisfy({ $0 == classes.count })
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .confusionMatrix, in: container,
        debugDescription: "it does not have one row and one column for each class")
    }
  }
}

// MARK: - Text

extension ClassificationReport {
  /// The scores and the confusion matrix as aligned text, with a line feed at the end.
  package var table: String { scoreTable + "\n" + matrixTable }

  private var scoreTable: String {
    var table = TextTable(header: ["emotion", "precision", "recall", "f1", "support"])
    for row in classes {
      table.add([
        row.emotion, decimal(row.precision), decimal(row.recall), decimal(row.f1),
        String(row.support),
      ])
    }
    table.addRule()
    table.add(["accuracy", "", "", decimal(accuracy), String(utterances)])
    table.add(["weighted F1", "", "", decimal(weightedF1), String(utterances)])
    return table.text
  }

  private var matrixTable: String {
    var table = TextTable(header: ["true \\ predicted"] + classes.map(\.emotion))
    for (row, counts) in zip(classes, confusionMatrix) {
      table.add([row.emotion] + counts.map { String($0) })
    }
    return table.text
  }

  private func decimal(_ value: Double) -> String { String(fixed: value, digits: 4) }
}
