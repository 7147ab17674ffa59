/// The section `textEncoder`: the text encoder (1) that is trained with the model.
package struct TextEncoderOptions: ConfigurationSection {
  /// The folder of a Hugging Face encoder; nil uses the text features of the dataset.
  package var path: String?

  /// Whether the encoder is trained with the model.
  package var trainable = true

  /// The encoder's own peak learning rate.
  package var learningRate = 1e-5

  /// The section with its defaults.
  package init() {}

  package static let keys = [
    key("path", \.path, unlessNull: .noEncoder, changesResult: false),
    key("trainable", \.trainable, changesResult: false),
    key("learningRate", \.learningRate, .above(0), changesResult: false),
  ]
}

extension Requirement where Value == String {
  /// No path: this build has no encoder.
  package static var noEncoder: Requirement {
    Requirement(problem: { _ in
      ValueProblem(
        reason: "this build has no text encoder",
        cure: "Set it to null; the text features of the dataset are then used.")
    })
  }
}
