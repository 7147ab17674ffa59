import Configuration
import DialogueData
import Files
import NeuralNet
import TensorCore

/// The dataset of a run and its validated splits.
package struct LoadedData {
  package let dataset: Dataset
  package let train: Split
  package let validation: Split
  package let test: Split
  /// The digest of the dataset, equal on ranks that read the same data.
  package let digest: String

  /// Reads the dataset folder of a configuration, or generates the synthetic corpus without one.
  ///
  /// - Parameter isStopRequested: polled while reading; once it is true, nil is returned.
  /// - Throws: `DataError` for the first invalid item, `FileError` if the storage fails.
  package init?(
    _ resolved: ResolvedConfiguration, unless isStopRequested: () -> Bool = { false }
  ) throws {
    struct Interruption: Error {}
    let dataset = try Self.dataset(resolved)
    func poll() throws { if isStopRequested() { throw Interruption() } }
    func read(_ name: SplitName) throws -> Split {
      try poll()
      return try dataset.split(name, whileReading: poll)
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

  /// The dataset of a configuration; its splits are read or generated on demand.
  ///
  /// If no source sets `data.modalities`, the modalities that the dataset lists are used.
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
