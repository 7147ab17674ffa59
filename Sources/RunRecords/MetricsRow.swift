import Files

/// A figure that a row of the metrics files can hold.
///
/// The columns are the same in every run. Everything that depends on the speed of the machine is in
/// a column named `time_*` or `*_per_second`; the others repeat exactly when a run is repeated.
package enum MetricsColumn: String, CaseIterable, Sendable {
  /// The number of utterances of the global batch or of the scored split.
  case utterances
  /// The whole loss (25), weighted.
  case loss
  /// The cross-entropy of the prediction (24).
  case emotion
  /// The contrastive loss on the modality level (3), unweighted.
  case contrastiveModality = "contrastive_modality"
  /// The contrastive loss on the utterance level (5), unweighted.
  case contrastiveUtterance = "contrastive_utterance"
  /// The classification loss of the contribution teacher (13), unweighted.
  case tcpClassification = "tcp_classification"
  /// The regression loss of the contribution student (14), unweighted.
  case tcpRegression = "tcp_regression"
  /// The prototype loss (19), unweighted.
  case prototype
  /// The learning rate of the step.
  case learningRate = "learning_rate"
  /// The global gradient norm before clipping.
  case gradientNorm = "gradient_norm"
  /// The number of steps so far that changed nothing, because they were not finite.
  case skipped
  /// The accuracy of an evaluation, 0...1.
  case accuracy
  /// The weighted F1 of an evaluation, 0...1.
  case weightedF1 = "weighted_f1"
  /// The seconds that the step or the evaluation took.
  case timeTaken = "time_taken"
  /// The seconds since this process started to train.
  case timeElapsed = "time_elapsed"
  /// The utterances trained on or scored in a second.
  case utterancesPerSecond = "utterances_per_second"
}

/// One row of `metrics.jsonl` and `metrics.csv`: a logged step or an evaluation.
package struct MetricsRow: Sendable, Equatable {
  /// What a row tells about.
  package enum Event: String, CaseIterable, Sendable {
    /// A training step.
    case train
    /// A pass over the validation split.
    case validation
    /// The one pass over the test split.
    case test
  }

  /// What the row tells about.
  package let event: Event

  /// The epoch, counted from 1.
  package let epoch: Int

  /// The number of steps made, skipped ones and this one included.
  package let step: Int

  /// The figures of the row; the other columns stay empty.
  package let values: [MetricsColumn: Double]

  /// Creates a row.
  package init(event: Event, epoch: Int, step: Int, values: [MetricsColumn: Double]) {
    self.event = event
    self.epoch = epoch
    self.step = step
    self.values = values
  }

  /// The row as a JSON object on one line, with every column in its place.
  package var json: String {
    let head = "{\"event\":\"\(event.rawValue)\",\"epoch\":\(epoch),\"step\":\(step)"
    let figures = MetricsColumn.allCases.map { column in
      ",\"\(column.rawValue)\":" + (values[column].map(JSONText.number) ?? "null")
    }
    return head + figures.joined() + "}\n"
  }

  /// The row as a line of `metrics.csv`; empty where there is no figure, or none that is a number.
  ///
  /// The rows of JSON do not tell these two apart either, and the table is made from them again when
  /// a run is resumed.
  package var csv: String {
    let figures = MetricsColumn.allCases.map { column in
      values[column].map { $0.isFinite ? JSONText.number($0) : "" } ?? ""
    }
    return ([event.rawValue, String(epoch), String(step)] + figures).joined(separator: ",") + "\n"
  }

  /// The first line of `metrics.csv`.
  package static var csvHeader: String {
    (["event", "epoch", "step"] + MetricsColumn.allCases.map(\.rawValue)).joined(separator: ",")
      + "\n"
  }
}

extension MetricsRow: Decodable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

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
    var values: [MetricsColumn: Double] = [:]
    for column in MetricsColumn.allCases {
      let key = Key(stringValue: column.rawValue)
      values[column] = try container.decodeIfPresent(Double.self, forKey: key)
    }
    self.values = values
  }
}
