/// The section `train`: the length of training, its batches and its checks.
package struct TrainOptions: ConfigurationSection {
  /// The number of passes over the training split.
  package var epochs = 10

  /// The largest number of steps, at which training ends even within an epoch; nil for no limit.
  package var maxSteps: Int?

  /// The number of dialogues in a global batch, over all ranks.
  package var dialoguesPerBatch = 8

  /// The number V of micro-batches in a global batch, a power of two; nil for the number of ranks.
  ///
  /// With a fixed V, a run has the same bits on every number of ranks that is a power of two.
  package var microBatches: Int?

  /// The seed of initial values, dropout and the order of dialogues.
  package var seed: UInt64 = 42

  /// The number of epochs without a better validation score after which training ends; nil for never.
  package var patience: Int?

  /// The response to a step whose loss or gradient is NaN or infinite.
  package var notFinite = NotFinitePolicy.abort

  /// The number of consecutive skipped steps at which training ends.
  package var maxSkips = 10

  /// The response to a step whose loss or gradient is NaN or infinite.
  package enum NotFinitePolicy: String, CaseIterable, Sendable {
    /// Ends the run.
    case abort
    /// Leaves the state unchanged and continues with the next step.
    case skip
  }

  /// The number of steps between two comparisons of replicas; nil for none.
  package var replicaCheckSteps: Int? = 100

  /// The time without progress after which the job is ended, in seconds; nil for never.
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

  /// The number of newest step checkpoints that are kept, besides the best checkpoint.
  package var keepLast = 3

  /// The zstd compression level, 1...19.
  package var level = 3

  /// The time without progress of a write after which the job is ended, in seconds.
  package var stallSeconds = 900

  /// The response to a checkpoint that cannot be written.
  package var ifSaveFails = FailurePolicy.stop

  /// The response to a checkpoint that cannot be written; failing to write the last one is an error.
  package enum FailurePolicy: String, CaseIterable, Sendable {
    /// Ends the run.
    case stop
    /// Continues with a warning and retries at the next save.
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
