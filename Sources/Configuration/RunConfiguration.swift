/// The configuration of a run; the defaults are the paper's for MELD.
///
/// Each section declares its keys beside its properties. Reading, printing, checking and comparing
/// all use these declarations, so that each key is named in one place only.
package struct RunConfiguration: Sendable, Equatable {
  /// The dataset and its modalities.
  package var data = DataOptions()
  /// The model and its loss.
  package var model = ChosenModel()
  /// The text encoder that is trained with the model.
  package var textEncoder = TextEncoderOptions()
  /// AdamW, its schedule and clipping.
  package var optimizer = OptimizerOptions()
  /// The length of training, its batches and its checks.
  package var train = TrainOptions()
  /// When checkpoints are written and how many are kept.
  package var checkpoint = CheckpointOptions()

  /// The default configuration.
  package init() {}

  /// Every key of every section by its dotted name, in printing order; model keys are those of the
  /// named model.
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
  /// The path of the data and the section `checkpoint` do not change a result. Of different models,
  /// only the names are compared.
  /// - Returns: Dotted names in printing order.
  package func differences(from other: RunConfiguration) -> [String] {
    let own = Set(model.keys.map(\.name)).subtracting([ChosenModel.nameKey.name])
    return keys.filter { key in
      guard model.name == other.model.name || !own.contains(key.name) else { return false }
      return key.changesResult && key.yaml(self) != key.yaml(other)
    }.map(\.name)
  }
}
