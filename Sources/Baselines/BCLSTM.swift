import Autograd
import NeuralNet
import TensorCore

/// What a run can choose of the contextual LSTM.
package struct BCLSTMOptions: Sendable, Equatable {
  /// The hidden width of each direction of the LSTM.
  package var hidden = 300
  /// The width of the dense layer.
  package var denseWidth = 500
  /// The probability with which every dropout zeroes an element, in [0, 0.99].
  package var dropout = 0.4

  /// The published sizes.
  package init() {}
}

/// The contextual bidirectional LSTM over concatenated modalities (bc-LSTM; Poria et al., ACL 2017,
/// "Context-Dependent Sentiment Analysis in User-Generated Videos").
///
/// ```
/// x = [text ; audio ; visual]
/// h = BiLSTM(dropout(x))
/// d = ReLU(dense(dropout(h)))
/// logits = classifier(dropout(d))
/// ```
package struct BCLSTM: Model {
  package let layout: ParameterLayout
  package let modalities: [ModalityWidth]
  package let classCount: Int
  package let dropout: Double
  package let lossTerms = [LossTerm("emotion")]
  private let lstm: LSTM
  private let dense: Linear
  private let classifier: Linear
  private let inputDropout = Dropout(layer: "input")
  private let stateDropout = Dropout(layer: "lstm")
  private let denseDropout = Dropout(layer: "dense")

  /// - Parameters:
  ///   - options: sizes and dropout.
  ///   - modalities: those in use, in the order of `Modality`; at least one.
  ///   - classCount: the number of emotions, at least 2.
  package init(_ options: BCLSTMOptions, modalities: [ModalityWidth], classCount: Int) {
    precondition(!modalities.isEmpty && classCount > 1, "a model needs input and classes")
    var layout = ParameterLayout()
    let width = modalities.reduce(0) { $0 + $1.width }
    lstm = LSTM(
      "lstm", inputs: width, hidden: options.hidden, isBidirectional: true, in: &layout)
    dense = Linear(
      "dense", inputs: 2 * options.hidden, outputs: options.denseWidth, in: &layout)
    classifier = Linear(
      "classifier", inputs: options.denseWidth, outputs: classCount, in: &layout)
    self.layout = layout
    self.modalities = modalities
    self.classCount = classCount
    dropout = options.dropout
  }

  /// The raw features need no gradient.
  package var operationsPerUtterance: Double {
    layout.parameters.reduce(0) { sum, parameter in
      guard parameter.shape.count == 2 else { return sum }
      let readsFeatures = parameter.name.hasPrefix("lstm.weight_ih")
      return sum + (readsFeatures ? 4 : 6) * Double(parameter.count)
    }
  }

  package func forward(_ batch: UtteranceBatch, _ pass: Pass) -> Prediction {
    let x = pass.tape.concatenateColumns(batch.features)
    let h = lstm(pass.dropout(x, inputDropout), pass)
    let d = pass.tape.relu(dense(pass.dropout(h, stateDropout), pass))
    return Prediction(logits: classifier(pass.dropout(d, denseDropout), pass))
  }

  /// The mean cross-entropy over the utterances of the global batch.
  package func losses(
    _ prediction: Prediction, of batch: UtteranceBatch, sum: any GlobalSum, _ pass: Pass
  ) -> LossShares {
    let scale = 1 / Double(max(batch.counts.utterances, 1))
    let errors = pass.tape.crossEntropy(
      prediction.logits, labels: batch.labels, weight: Float(scale)
    ).sums
    let shares = LossShares(count: errors.count, termCount: 1, arena: pass.tape.arena)
    shares.add(errors, scale: scale, to: 0)
    return shares
  }
}
