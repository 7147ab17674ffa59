import Files

/// The columns of the metrics files of a run.
///
/// Everything that depends on the speed of the machine is in a column named `time_*` or
/// `*_per_second`; the others repeat exactly when a run is repeated.
package struct MetricsColumns: Sendable, Equatable {
  /// The number of utterances of the global batch or of the scored split.
  package static let utterances = "utterances"
  /// The whole loss, weighted.
  package static let loss = "loss"
  /// The learning rate of the step.
  package static let learningRate = "learning_rate"
  /// The global gradient norm before clipping.
  package static let gradientNorm = "gradient_norm"
  /// The number of steps so far that were skipped because a value was not finite.
  package static let skipped = "skipped"
  /// The accuracy of an evaluation, 0...1.
  package static let accuracy = "accuracy"
  /// The weighted F1 of an evaluation, 0...1.
  package static let weightedF1 = "weighted_f1"
  /// The seconds that the step or the evaluation took.
  package static let timeTaken = "time_taken"
  /// The seconds since this process started to train.
  package static let timeElapsed = "time_elapsed"
  /// The utterances trained on or scored in a second.
  package static let utterancesPerSecond = "utterances_per_second"

  /// The names of the columns after event, epoch and step, in their order.
  package let names: [String]

  /// The columns of a model.
  ///
  /// - Parameter lossTerms: the names of the unweighted parts of the loss; the first is the
  ///   cross-entropy of the prediction, which evaluations have too.
  package init(lossTerms: [String]) {
    names =
      [Self.utterances, Self.loss] + lossTerms
      + [
        Self.learningRate, Self.gradientNorm, Self.skipped, Self.accuracy, Self.weightedF1,
        Self.timeTaken, Self.timeElapsed, Self.utterancesPerSecond,
      ]
  }

  /// A row as a JSON object on one line, with every column in its place.
  package func json(_ row: MetricsRow) -> String {
    let head = "{\"event\":\"\(row.event.rawValue)\",\"epoch\":\(row.epoch),\"step\":\(row.step)"
    let figures = names.map { name in
      ",\"\(name)\":" + (row.values[name].map(JSONText.number) ?? "null")
    }
    return head + figures.joined() + "}\n"
  }

  /// A row as a line of `metrics.csv`; empty where there is no figure, or none that is a number.
  ///
  /// The rows of JSON do not distinguish these two either, and the table is made from them again
  /// when a run is resumed.
  package func csv(_ row: MetricsRow) -> String {
    let figures = names.map { name in
      row.values[name].map { $0.isFinite ? JSONText.number($0) : "" } ?? ""
    }
    return ([row.event.rawValue, String(row.epoch), String(row.step)] + figures)
      .joined(separator: ",") + "\n"
  }

  /// The first line of `metrics.csv`.
  package var csvHeader: String {
    (["event", "epoch", "step"] + names).joined(separator: ",") + "\n"
  }
}

/// One row of `metrics.jsonl` and `metrics.csv`: a logged step or an evaluation.
package struct MetricsRow: Sendable, Equatable {
  /// The kinds of rows.
  package enum Event: String, CaseIterable, Sendable {
    /// A training step.
    case train
    /// A pass over the validation split.
    case validation
    /// The one pass over the test split.
    case test
  }

  /// The kind of row.
  package let event: Event

  /// The epoch, counted from 1.
  package let epoch: Int

  /// The number of steps made, skipped ones and this one included.
  package let step: Int

  /// The figures of the row by the names of their columns; the other columns stay empty.
  package let values: [String: Double]

  /// Creates a row.
  package init(event: Event, epoch: Int, step: Int, values: [String: Double]) {
    self.event = event
    self.epoch = epoch
    self.step = step
    self.values = values
  }
}

extension MetricsRow: Decodable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private static let heading = ["event", "epoch", "step"]

  /// Reads a row of `metrics.jsonl`.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let name = try container.decode(String.self, forKey: Key(stringValue: "event"))
    guard let event = Event(rawValue: name) else {
      throw DecodingError.dataCorruptedError(
        forKey: Key(stringValue: "event"), in: container, debugDescription: "unknown event \(name)")
    }
    self.event = event
    epoch = try container.decode(Int.self, forKey: Key(stringValue: "epoch"))
    step = try container.decode(Int.self, forKey: Key(stringValue: "step"))
    var values: [String: Double] = [:]
    for key in container.allKeys where !Self.heading.contains(key.stringValue) {
      values[key.stringValue] = try container.decodeIfPresent(Double.self, forKey: key)
    }
    self.values = values
  }
}
