import Autograd
import TensorCore

/// A trainable model: its parameters, inputs, outputs and losses.
///
/// A model does not depend on ranks, files or flags. A training step runs ``forward(_:_:)`` and
/// ``losses(_:of:sum:_:)`` on one tape and differentiates what they record; an evaluation runs
/// ``forward(_:_:)`` alone. Both process the packed rows of one or several micro-batches.
package protocol Model: Sendable {
  /// What the losses need of a forward pass.
  associatedtype Output: ModelOutput

  /// All parameters, in the order in which they lie in the flat buffers.
  var layout: ParameterLayout { get }

  /// The modalities whose features the model reads, in the order of ``UtteranceBatch/features``.
  var modalities: [ModalityWidth] { get }

  /// The number of classes, K.
  var classCount: Int { get }

  /// The probability with which every dropout zeroes an element, 0 ..< 1.
  var dropout: Double { get }

  /// The parts of the loss; the first is `emotion`, the cross-entropy of the logits.
  ///
  /// They are columns of the metrics and keys of `step`.
  var lossTerms: [LossTerm] { get }

  /// The numbers that the model computes for every utterance in addition to the logits.
  var extras: [UtteranceExtra] { get }

  /// What the model accumulates over training steps.
  var runningBuffers: RunningBufferLayout { get }

  /// Whether the running buffers are set to zero before every epoch.
  var resetsRunningBuffersEachEpoch: Bool { get }

  /// The floating-point operations of the matrix products of a forward and a backward pass, for one
  /// utterance.
  var operationsPerUtterance: Double { get }

  /// Computes the logits and extras of every row.
  func forward(_ batch: UtteranceBatch, _ pass: Pass) -> Output

  /// Computes every micro-batch's share of every part of the loss, and stages the running buffers.
  ///
  /// - Parameters:
  ///   - output: of ``forward(_:_:)`` on the same batch and pass.
  ///   - batch: labelled.
  ///   - sum: computes sums over the global batch. Every rank must call it the same number of
  ///     times, also without rows.
  ///   - pass: the pass of `output`.
  /// - Throws: what `sum` throws.
  func losses(
    _ output: Output, of batch: UtteranceBatch, sum: any GlobalSum, _ pass: Pass
  ) throws -> LossShares

  /// The loss.
  ///
  /// - Parameter parts: the unweighted parts in the order of ``lossTerms``.
  func loss(of parts: UnsafeBufferPointer<Double>) -> Double
}

extension Model {
  package var extras: [UtteranceExtra] { [] }
  package var runningBuffers: RunningBufferLayout { RunningBufferLayout() }
  package var resetsRunningBuffersEachEpoch: Bool { false }

  /// Two for every element of a weight forward, and four backward: for the gradients of the weight
  /// and of the input.
  package var operationsPerUtterance: Double {
    layout.parameters.reduce(0) { $1.shape.count == 2 ? $0 + 6 * Double($1.count) : $0 }
  }

  /// The weighted sum of the parts.
  package func loss(of parts: UnsafeBufferPointer<Double>) -> Double {
    zip(lossTerms, parts).reduce(0) { $0 + $1.0.weight * $1.1 }
  }
}

/// A modality in use and the width of its raw features.
package struct ModalityWidth: Sendable, Equatable {
  /// The modality.
  package let modality: Modality
  /// The number of raw features of an utterance.
  package let width: Int

  /// - Parameters:
  ///   - modality: the modality.
  ///   - width: the number of raw features of an utterance.
  package init(_ modality: Modality, width: Int) {
    self.modality = modality
    self.width = width
  }
}

/// A number that a model computes for every utterance, or one for each of several components.
package struct UtteranceExtra: Sendable, Equatable {
  /// The key in the lines of `predict`.
  package let name: String
  /// The name of the tensor in the file of `step`; with components, `<tensor>.<component>` for
  /// each.
  package let tensor: String
  /// The keys of the components; empty for a single number.
  package let components: [String]

  /// - Parameters:
  ///   - name: the key in the lines of `predict`.
  ///   - tensor: the name of the tensor in the file of `step`; nil for `name`.
  ///   - components: the keys of the components; empty for a single number.
  package init(_ name: String, tensor: String? = nil, components: [String] = []) {
    self.name = name
    self.tensor = tensor ?? name
    self.components = components
  }

  /// The number of columns that the extra takes in ``Prediction/extras``.
  package var columnCount: Int { max(components.count, 1) }
}
