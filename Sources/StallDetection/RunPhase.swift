/// The phases of a run, as messages and injected faults name them.
package enum RunPhase: UInt8, CaseIterable, Sendable {
  /// Joining the other ranks, reading the configuration, making the model.
  case start
  /// Reading the dataset, or copying a micro-batch from it.
  case load
  /// Opening the run folder, reading a checkpoint.
  case open
  /// Choosing the dialogues of the next step.
  case plan
  /// Computing from the features to the predictions.
  case forward
  /// Computing the parts of the loss.
  case losses
  /// Summing what a loss needs of the whole batch over ranks.
  case sums
  /// Computing gradients.
  case backward
  /// Summing gradients and losses over ranks.
  case allreduce
  /// Clipping and AdamW.
  case update
  /// Comparing the parameters of the ranks.
  case compare
  /// Writing the row of a step.
  case log
  /// Scoring a split.
  case evaluate
  /// Writing a checkpoint, or waiting for one that is being written.
  case save
  /// Ending the run.
  case finish

  /// The phases that take the time of a training step, in their order.
  package static let ofStep: [RunPhase] = [
    .load, .forward, .losses, .sums, .backward, .allreduce, .update,
  ]

  /// The name.
  package var name: String { "\(self)" }

  /// Whether the rank waits for storage, which has a limit of its own.
  package var usesStorage: Bool { self == .save || self == .open }
}
