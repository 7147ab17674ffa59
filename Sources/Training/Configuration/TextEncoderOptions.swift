/// The section `textEncoder`: the encoder (1) in the loop.
public struct TextEncoderOptions: ConfigurationSection {
  /// The folder of a Hugging Face encoder; nil uses the text features of the dataset.
  public var path: String?

  /// Whether the encoder is trained with the rest.
  public var trainable = true

  /// The encoder's own peak learning rate.
  public var learningRate = 1e-5

  /// The section with its defaults.
  public init() {}

  static let keys = [
    key("path", \.path, unlessNull: .noEncoder),
    key("trainable", \.trainable),
    key("learningRate", \.learningRate, .above(0)),
  ]
}

extension Requirement where Value == String {
  /// No path at all: there is no encoder to load it into.
  static var noEncoder: Requirement {
    Requirement(problem: { _ in
      ValueProblem(
        reason: "this build has no text encoder",
        cure: "Set it to null; the text features of the dataset are then used.")
    })
  }
}
