import Configuration
import DFERCModel
import DialogueData
import NeuralNet
import Optimizing
import TensorCore

// How the sections of a run configuration become the parts of a run.

extension DFERCOptions {
  /// The model that a configuration describes.
  ///
  /// - Parameters:
  ///   - configuration: of the run.
  ///   - widths: the raw width of every modality in use.
  ///   - emotionCount: the number of emotions.
  package init(_ configuration: RunConfiguration, widths: [Modality: Int], emotionCount: Int) {
    let used = configuration.data.modalities.compactMap { modality in
      widths[modality].map { ModalityWidth(modality, width: $0) }
    }
    self.init(modalities: used, emotionCount: emotionCount)
    width = configuration.model.width
    alignmentWidth = configuration.model.alignmentWidth
    contextHidden = configuration.model.contextHidden
    dropout = configuration.model.dropout
    ablations = Set(configuration.model.ablations)
    loss.contrastive = Float(configuration.loss.contrastive)
    loss.contribution = Float(configuration.loss.contribution)
    loss.prototype = Float(configuration.loss.prototype)
    loss.reduction = configuration.loss.reduction
    loss.modalityTemperature = Float(configuration.loss.modalityTemperature)
    loss.utteranceTemperature = Float(configuration.loss.utteranceTemperature)
    loss.margin = Float(configuration.loss.margin)
  }
}

extension Dropout.Randomness {
  /// The dropout of a training step; nil where nothing is dropped.
  package init?(_ configuration: RunConfiguration, step: Int) {
    guard configuration.model.dropout > 0 else { return nil }
    self.init(
      seed: configuration.train.seed, step: step, probability: configuration.model.dropout)
  }
}

extension LearningRateSchedule.Decay {
  /// The decay that a configuration names.
  package init(_ schedule: OptimizerOptions.Schedule) {
    self =
      switch schedule {
      case .linear: .linear
      case .constant: .constant
      case .cosine: .cosine
      }
  }
}

extension AdamW {
  /// The optimizer that a configuration describes.
  ///
  /// - Parameters:
  ///   - configuration: of the run.
  ///   - layout: of the model.
  ///   - shard: the elements that it updates.
  package convenience init(
    _ configuration: RunConfiguration, layout: ParameterLayout, shard: Range<Int>
  ) {
    var options = Options()
    options.weightDecay = configuration.optimizer.weightDecay
    options.betas = (configuration.optimizer.betas[0], configuration.optimizer.betas[1])
    options.epsilon = configuration.optimizer.epsilon
    let segments = layout.parameters.filter(\.group.isTrainable).map {
      Segment(
        range: $0.range, isDecayed: $0.isDecayed,
        learningRate: configuration.optimizer.learningRate)
    }
    self.init(options: options, segments: segments, slice: shard)
  }
}

extension LossParts {
  /// The parts in a fixed order, so that they can be summed as one buffer.
  package init(_ values: UnsafeMutableBufferPointer<Double>) {
    self.init()
    emotion = values[0]
    contrastiveModality = values[1]
    contrastiveUtterance = values[2]
    classification = values[3]
    regression = values[4]
    prototype = values[5]
  }

  /// Writes the parts in the order of ``init(_:)``.
  package func write(to memory: UnsafeMutablePointer<Double>) {
    memory[0] = emotion
    memory[1] = contrastiveModality
    memory[2] = contrastiveUtterance
    memory[3] = classification
    memory[4] = regression
    memory[5] = prototype
  }
}
