import Configuration
import DialogueData
import Files
import NeuralNet
import TensorCore

/// The splits of a run, checked, and what they have in common.
package struct LoadedData {
  package let dataset: Dataset
  package let train: Split
  package let validation: Split
  package let test: Split
  package let digest: String

  /// Reads the dataset folder of a configuration, or makes the built-in corpus where it has none.
  ///
  /// - Parameters:
  ///   - resolved: the configuration.
  ///   - isStopRequested: asked again and again; where it is so, nothing is returned.
  /// - Throws: `DataError` for the first thing that is wrong, `FileError` if the storage fails.
  package init?(
    _ resolved: ResolvedConfiguration, unless isStopRequested: () -> Bool = { false }
  ) throws {
    struct Interruption: Error {}
    let dataset = try Self.dataset(resolved)
    func goOn() throws { if isStopRequested() { throw Interruption() } }
    func read(_ name: SplitName) throws -> Split {
      try goOn()
      return try dataset.split(name, whileReading: goOn)
    }
    do {
      (train, validation, test) = (try read(.train), try read(.validation), try read(.test))
    } catch is Interruption {
      return nil
    }
    self.dataset = dataset
    digest = dataset.digest(of: [train, validation, test])
  }

  /// A split by its name.
  package func split(_ name: SplitName) -> Split {
    switch name {
    case .train: train
    case .validation: validation
    case .test: test
    }
  }

  /// The model of a configuration for this data.
  package func model(of configuration: RunConfiguration) -> any Model {
    configuration.model(for: train)
  }

  /// The dataset of a configuration; its splits are read or made when they are asked for.
  ///
  /// Where nobody has chosen modalities, those that the dataset lists are used.
  package static func dataset(_ resolved: ResolvedConfiguration) throws -> Dataset {
    let options = resolved.configuration.data
    guard let path = options.path else {
      return Dataset(
        SyntheticCorpus(seed: SyntheticCorpus.standardSeed), modalities: options.modalities)
    }
    let isChosen = resolved.origin(of: "data.modalities") != .standard
    return try Dataset(
      folder: path, options: ReadingOptions(modalities: isChosen ? options.modalities : nil))
  }
}
