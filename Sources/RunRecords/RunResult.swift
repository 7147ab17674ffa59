/// The content of `result.json`, which a finished run writes.
package struct RunResult: Sendable, Equatable, Codable {
  /// The name of the run.
  package var name: String
  /// The program version that finished the run.
  package var version: String
  /// The seed of the run.
  package var seed: UInt64
  /// The number of epochs that were trained.
  package var epochs: Int
  /// The number of steps that were made, skipped ones included.
  package var steps: Int
  /// The epoch with the best weighted F1 on the validation split, counted from 1.
  package var bestEpoch: Int
  /// The scores of that epoch on the validation split.
  package var validation: ClassificationReport
  /// The scores of that epoch on the test split.
  package var test: ClassificationReport
  /// The environment of the run: ranks, nodes, threads, BLAS kernel, C library.
  package var environment: [String: String]
  /// The number of seconds from the start of this process to the result.
  package var timeTotal: Double

  package enum CodingKeys: String, CodingKey {
    case name, version, seed, epochs, steps, validation, test, environment
    case bestEpoch = "best_epoch"
    case timeTotal = "time_total"
  }

  /// Creates a result.
  package init(
    name: String, version: String, seed: UInt64, epochs: Int, steps: Int, bestEpoch: Int,
    validation: ClassificationReport, test: ClassificationReport, environment: [String: String],
    timeTotal: Double
  ) {
    self.name = name
    self.version = version
    self.seed = seed
    self.epochs = epochs
    self.steps = steps
    self.bestEpoch = bestEpoch
    self.validation = validation
    self.test = test
    self.environment = environment
    self.timeTotal = timeTotal
  }

  /// The chosen epoch and the table of the test split.
  package var summary: String {
    """
    best epoch \(bestEpoch) of \(epochs) by validation weighted F1 \
    \(String(fixed: validation.weightedF1, digits: 4))
    test split, scored once:

    \(test.table)
    """
  }
}
