import Configuration
import DialogueData
import NeuralNet
import Optimizing
import TensorCore

// Builds the parts of a step from the sections of a run configuration.

extension RunConfiguration {
  /// The model for those features of a split that the configuration uses.
  package func model(for split: Split) -> any Model {
    let used = data.modalities.compactMap { modality in
      split.modalities[modality].map { ModalityWidth(modality, width: $0) }
    }
    return model.options.makeModel(used, classCount: split.emotions.count)
  }
}

extension Dropout.Randomness {
  /// The dropout of a training step; nil if the model has none.
  ///
  /// - Parameter step: the number of steps done before.
  package init?(of model: any Model, seed: UInt64, step: Int) {
    guard model.dropout > 0 else { return nil }
    self.init(seed: seed, step: step, probability: model.dropout)
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
  /// - Parameter shard: the range of elements of the flat buffers that it updates.
  package convenience init(
    _ configuration: RunConfiguration, layout: ParameterLayout, shard: Range<Int>
  ) {
    var options = Options()
    options.betas = (configuration.optimizer.betas[0], configuration.optimizer.betas[1])
    options.epsilon = configuration.optimizer.epsilon
    let segments = layout.parameters.filter(\.group.isTrainable).map { parameter in
      let decay = parameter.group.weightDecay ?? configuration.optimizer.weightDecay
      return Segment(
        range: parameter.range, weightDecay: parameter.isDecayed ? decay : 0,
        learningRate: parameter.group.learningRate ?? configuration.optimizer.learningRate)
    }
    self.init(options: options, segments: segments, shard: shard)
  }
}
