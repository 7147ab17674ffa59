/// Everything that decides how a run goes; the defaults are the paper's for MELD.
///
/// Each section declares its keys beside its properties. Reading, printing, checking and comparing
/// all go through these declarations, so that a key is named in one place only.
package struct RunConfiguration: Sendable, Equatable {
  /// What is trained on.
  package var data = DataOptions()
  /// The model and its loss.
  package var model = ChosenModel()
  /// The text encoder in the loop.
  package var textEncoder = TextEncoderOptions()
  /// AdamW, its schedule and clipping.
  package var optimizer = OptimizerOptions()
  /// How long and in which portions to train.
  package var train = TrainOptions()
  /// When checkpoints are written and how many are kept.
  package var checkpoint = CheckpointOptions()

  /// The default configuration.
  package init() {}

  /// Every key of every section under its dotted name, in the order of printing; those of the model
  /// are the named model's.
  package var keys: [ConfigurationKey<RunConfiguration>] { Self.keys(of: model.keys) }

  /// The keys of a configuration for each model of the registry.
  static let keysOfAllModels = ModelRegistry.models.map { model in
    (name: model.modelName, keys: keys(of: model.chosenModelKeys))
  }

  private static func keys(
    of model: [ConfigurationKey<ChosenModel>]
  ) -> [ConfigurationKey<RunConfiguration>] {
    [
      section("data", \.data),
      model.map { lifted($0, to: $0.name, \.model) },
      section("textEncoder", \.textEncoder),
      section("optimizer", \.optimizer),
      section("train", \.train),
      section("checkpoint", \.checkpoint),
    ].flatMap(\.self)
  }

  private static func section<Section: ConfigurationSection>(
    _ name: String, _ path: WritableKeyPath<RunConfiguration, Section> & Sendable
  ) -> [ConfigurationKey<RunConfiguration>] {
    Section.keys.map { lifted($0, to: "\(name).\($0.name)", path) }
  }

  /// A key of a part of the configuration as a key of the whole.
  private static func lifted<Part>(
    _ key: ConfigurationKey<Part>, to name: String,
    _ path: WritableKeyPath<RunConfiguration, Part> & Sendable
  ) -> ConfigurationKey<RunConfiguration> {
    ConfigurationKey(
      name: name, changesResult: key.changesResult,
      read: { (node, configuration: inout RunConfiguration) throws(ValueProblem) in
        try key.read(node, &configuration[keyPath: path])
      },
      yaml: { configuration in key.yaml(configuration[keyPath: path]) })
  }

  /// The keys that change the result and whose values differ from another configuration's.
  ///
  /// Where the data lie and how checkpoints are kept does not change a result. The options of two
  /// models are not compared, only the names.
  /// - Returns: Dotted names in the order of printing.
  package func differences(from other: RunConfiguration) -> [String] {
    let own = Set(model.keys.map(\.name)).subtracting([ChosenModel.nameKey.name])
    return keys.filter { key in
      guard model.name == other.model.name || !own.contains(key.name) else { return false }
      return key.changesResult && key.yaml(self) != key.yaml(other)
    }.map(\.name)
  }
}
