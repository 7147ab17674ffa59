import Baselines
import DFERCModel
import NeuralNet

/// The options of a model that a run file can name.
///
/// The names of its keys include their sections: `model.width`, `loss.margin`.
package protocol ModelOptions: ConfigurationSection {
  /// The name in `model.name` and in checkpoints.
  static var modelName: String { get }

  /// Builds the model.
  ///
  /// - Parameters:
  ///   - modalities: the modalities in use with their raw widths, in the order of `Modality`; at least
  ///     one.
  ///   - classCount: the number of emotions, at least 2.
  func makeModel(_ modalities: [ModalityWidth], classCount: Int) -> any Model
}

/// The models that a run file can name.
package enum ModelRegistry {
  /// The options of every model; the first is the default.
  package static let models: [any ModelOptions.Type] = [
    DFERCOptions.self,
    BCLSTMOptions.self,
  ]

  /// The names in `model.name`.
  package static var names: [String] { models.map { $0.modelName } }
}

/// A model of the registry and its options: the sections `model` and `loss`, and further sections of
/// that model.
package struct ChosenModel: Sendable, Equatable {
  /// The options.
  package var options: any ModelOptions

  /// A model with given options.
  package init(_ options: any ModelOptions) { self.options = options }

  /// The default model with default options.
  package init() { self.init(ModelRegistry.models[0].init()) }

  /// The name in run files and checkpoints.
  package var name: String { type(of: options).modelName }

  package static func == (left: ChosenModel, right: ChosenModel) -> Bool {
    left.options.isEqual(to: right.options)
  }
}

extension ModelOptions {
  fileprivate func isEqual(to other: any ModelOptions) -> Bool { self == other as? Self }
}

// MARK: - Keys

extension ChosenModel {
  /// `model.name`; reading another name resets all other options to their defaults.
  static let nameKey = ConfigurationKey<ChosenModel>(
    name: "model.name", changesResult: true,
    read: { (node, model: inout ChosenModel) throws(ValueProblem) in
      let name = try String.read(node)
      guard let type = ModelRegistry.models.first(where: { $0.modelName == name }) else {
        throw ValueProblem(
          reason: "there is no model \(name.excerpt())",
          cure: "The models are \(ModelRegistry.names.joined(separator: ", ")).")
      }
      if name != model.name { model = ChosenModel(type.init()) }
    },
    yaml: { $0.name })

  /// The keys of the named model, ``nameKey`` first.
  var keys: [ConfigurationKey<ChosenModel>] { type(of: options).chosenModelKeys }
}

extension ModelOptions {
  /// The keys of a run that names this model, `model.name` first.
  static var chosenModelKeys: [ConfigurationKey<ChosenModel>] {
    [ChosenModel.nameKey]
      + keys.map { key in
        ConfigurationKey(
          name: key.name, changesResult: key.changesResult,
          read: { (node, model: inout ChosenModel) throws(ValueProblem) in
            var options = model.options as? Self ?? Self()
            try key.read(node, &options)
            model.options = options
          },
          yaml: { model in (model.options as? Self).map(key.yaml) ?? "null" })
      }
  }
}
