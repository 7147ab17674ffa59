import Autograd
import TensorCore

/// The utterances of one pass: rows packed one after another, without padding.
///
/// They may be those of several micro-batches, one after another.
package struct UtteranceBatch: BitwiseCopyable {
  /// The rows; their groups are the dialogues.
  package let space: RowSpace
  /// The features of each modality in use, [N, width], in ``space``.
  ///
  /// They may depend on parameters, such as those of a text encoder, which then receive gradients.
  package let features: VariableList
  /// The class of every row, 0 ..< K; negative where it is not known.
  package let labels: UnsafeBufferPointer<Int>
  /// The speaker of every row: the index within the dialogue by first appearance.
  package let speakers: UnsafeBufferPointer<Int>
  /// The counts of the global batch, by which losses are divided.
  package let counts: BatchCounts

  /// - Parameters:
  ///   - space: the rows; their groups are the dialogues.
  ///   - features: one variable for each modality in use.
  ///   - labels: one for each row.
  ///   - speakers: one for each row.
  ///   - counts: of the global batch.
  package init(
    space: RowSpace, features: VariableList, labels: UnsafeBufferPointer<Int>,
    speakers: UnsafeBufferPointer<Int>, counts: BatchCounts
  ) {
    self.space = space
    self.features = features
    self.labels = labels
    self.speakers = speakers
    self.counts = counts
  }
}

/// The numbers of utterances of a global batch, which follow from the batch plan.
///
/// All means are over the global batch, so the shares of all micro-batches add up to the loss, and
/// their gradients to its gradient.
package struct BatchCounts: BitwiseCopyable, Sendable, Equatable {
  /// N, the number of utterances.
  package let utterances: Int
  /// The number of utterances whose dialogue has at least two.
  package let pairedUtterances: Int

  /// - Parameters:
  ///   - utterances: the number of utterances.
  ///   - pairedUtterances: the number of utterances whose dialogue has at least two.
  package init(utterances: Int, pairedUtterances: Int) {
    self.utterances = utterances
    self.pairedUtterances = pairedUtterances
  }
}

/// The prediction of a model for every row.
package struct Prediction: BitwiseCopyable {
  /// The logits of all classes, [N, K].
  package let logits: Variable
  /// The columns of ``Model/extras``, one after another, [N, 1] each.
  package let extras: UnsafeBufferPointer<Tensor>

  /// - Parameters:
  ///   - logits: [N, K].
  ///   - extras: [N, 1] each.
  package init(logits: Variable, extras: UnsafeBufferPointer<Tensor> = .init(start: nil, count: 0))
  {
    self.logits = logits
    self.extras = extras
  }
}

/// The outcome of a forward pass.
package protocol ModelOutput {
  /// The logits and extras of every row.
  var prediction: Prediction { get }
}

extension Prediction: ModelOutput {
  package var prediction: Prediction { self }
}
