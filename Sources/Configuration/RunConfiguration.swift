/// Everything that decides how a run goes; the defaults are the paper's for MELD.
///
/// Each section declares its keys beside its properties. Reading, printing, checking and comparing
/// all go through these declarations, so that a key is named in one place only.
package struct RunConfiguration: Sendable, Equatable {
  /// What is trained on.
  package var data = DataOptions()
  /// The shape of the network.
  package var model = ModelOptions()
  /// The weights and constants of the loss (25).
  package var loss = LossOptions()
  /// The emotion prototypes (18).
  package var prototype = PrototypeOptions()
  /// The text encoder (1) in the loop.
  package var textEncoder = TextEncoderOptions()
  /// AdamW, its schedule and clipping.
  package var optimizer = OptimizerOptions()
  /// How long and in which portions to train.
  package var train = TrainOptions()
  /// When checkpoints are written and how many are kept.
  package var checkpoint = CheckpointOptions()

  /// The default configuration.
  package init() {}

  /// Every key of every section under its dotted name, in the order of printing.
  package static let keys: [ConfigurationKey<RunConfiguration>] = [
    section("data", \.data),
    section("model", \.model),
    section("loss", \.loss),
    section("prototype", \.prototype),
    section("textEncoder", \.textEncoder),
    section("optimizer", \.optimizer),
    section("train", \.train),
    section("checkpoint", \.checkpoint),
  ].flatMap(\.self)

  private static func section<Section: ConfigurationSection>(
    _ name: String, _ path: WritableKeyPath<RunConfiguration, Section> & Sendable
  ) -> [ConfigurationKey<RunConfiguration>] {
    Section.keys.map { key in
      ConfigurationKey(
        name: "\(name).\(key.name)", changesResult: key.changesResult,
        read: { (node, configuration: inout RunConfiguration) throws(ValueProblem) in
          try key.read(node, &configuration[keyPath: path])
        },
        yaml: { configuration in key.yaml(configuration[keyPath: path]) })
    }
  }

  /// The keys that change the result and whose values differ from another configuration's.
  ///
  /// Where the data lie and how checkpoints are kept does not change a result.
  /// - Returns: Dotted names in the order of printing.
  package func differences(from other: RunConfiguration) -> [String] {
    Self.keys.filter { $0.changesResult && $0.yaml(self) != $0.yaml(other) }.map(\.name)
  }
}
