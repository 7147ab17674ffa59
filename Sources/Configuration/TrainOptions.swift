/// The section `train`: how long and in which portions to train.
package struct TrainOptions: ConfigurationSection {
  /// The number of passes over the training split.
  package var epochs = 10

  /// The number of steps after which training ends even inside an epoch; nil for no such limit.
  package var maxSteps: Int?

  /// The number of dialogues in a global batch, over all ranks.
  package var dialoguesPerBatch = 8

  /// The number V of micro-batches that a global batch is cut into, a power of two; nil takes the
  /// number of ranks.
  ///
  /// A fixed V gives a run the same bits at every number of ranks.
  package var microBatches: Int?

  /// The seed of initial values, dropout and the order of dialogues.
  package var seed: UInt64 = 42

  /// The number of epochs without a better validation score after which training ends; nil for never.
  package var patience: Int?

  /// What becomes of a step whose loss or gradient is NaN or infinite.
  package var notFinite = NotFinitePolicy.abort

  /// The number of steps that may be skipped one after another before training ends.
  package var maxSkips = 10

  /// What becomes of a step whose loss or gradient is NaN or infinite.
  package enum NotFinitePolicy: String, CaseIterable, Sendable {
    /// The run ends.
    case abort
    /// The step changes nothing, and the run goes on with the next.
    case skip
  }

  /// The number of steps between two comparisons of the ranks' parameters; nil for none.
  package var replicaCheckSteps: Int? = 100

  /// The seconds without progress after which the job is ended; nil for never.
  package var stallSeconds: Int? = 300

  /// The section with its defaults.
  package init() {}

  package static let keys = [
    key("epochs", \.epochs, .within(1...1_000_000)),
    key("maxSteps", \.maxSteps, unlessNull: .atLeast(1)),
    key("dialoguesPerBatch", \.dialoguesPerBatch, .within(1...1_000_000)),
    key("microBatches", \.microBatches, unlessNull: .powerOfTwo(upTo: 65_536)),
    key("seed", \.seed),
    key("patience", \.patience, unlessNull: .atLeast(1)),
    key("notFinite", \.notFinite),
    key("maxSkips", \.maxSkips, .within(1...1_000_000), changesResult: false),
    key("replicaCheckSteps", \.replicaCheckSteps, unlessNull: .atLeast(1), changesResult: false),
    key("stallSeconds", \.stallSeconds, unlessNull: .within(1...1_000_000), changesResult: false),
  ]
}

extension TrainOptions.NotFinitePolicy: ConfigurationWord {}

/// The section `checkpoint`: when checkpoints are written and how many are kept.
package struct CheckpointOptions: ConfigurationSection {
  /// The number of steps between two checkpoints.
  package var everySteps = 200

  /// The number of newest step checkpoints that are kept; the best one is kept besides.
  package var keepLast = 3

  /// The zstd compression level, 1...19.
  package var level = 3

  /// The seconds for which a checkpoint may stand still in the storage before the job is ended.
  package var stallSeconds = 900

  /// What becomes of the run when a checkpoint cannot be written.
  package var ifSaveFails = FailurePolicy.stop

  /// What becomes of a run when a checkpoint cannot be written; the last one must be.
  package enum FailurePolicy: String, CaseIterable, Sendable {
    /// The run ends.
    case stop
    /// The run goes on with a warning and tries again when the next checkpoint is due.
    case `continue`
  }

  /// The section with its defaults.
  package init() {}

  package static let keys = [
    key("everySteps", \.everySteps, .atLeast(1), changesResult: false),
    key("keepLast", \.keepLast, .atLeast(1), changesResult: false),
    key("level", \.level, .within(1...19), changesResult: false),
    key("stallSeconds", \.stallSeconds, .within(1...1_000_000), changesResult: false),
    key("ifSaveFails", \.ifSaveFails, changesResult: false),
  ]
}

extension CheckpointOptions.FailurePolicy: ConfigurationWord {}
