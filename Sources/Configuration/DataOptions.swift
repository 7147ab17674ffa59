import Files
import TensorCore

/// The section `data`: the dataset and its modalities.
package struct DataOptions: ConfigurationSection {
  /// The dataset folder; nil for the built-in synthetic corpus.
  ///
  /// A relative path in a file is resolved against the folder of that file, on the command line
  /// against the working directory. The path of a resolved configuration is absolute.
  package var path: String?

  /// The modalities in use, without repetition, in the order of `Modality.allCases`.
  package var modalities: [Modality] = Modality.allCases

  /// The section with its defaults.
  package init() {}

  package static let keys = [
    key("path", \.path, changesResult: false),
    key("modalities", \.orderedModalities, .distinctAndNotEmpty),
  ]

  /// The modalities; the setter sorts them, because the bits of sums depend on their order.
  private var orderedModalities: [Modality] {
    get { modalities }
    set { modalities = Modality.allCases.filter(newValue.contains) }
  }
}

extension Requirement where Value == [Modality] {
  /// At least one modality, without repetition.
  package static var distinctAndNotEmpty: Requirement {
    Requirement(problem: { modalities in
      if modalities.isEmpty {
        return ValueProblem(
          reason: "the list is empty", cure: "Name at least one of text, audio, visual.")
      }
      guard Set(modalities).count < modalities.count else { return nil }
      return ValueProblem(
        reason: "\(modalities.yaml.excerpt()) names a modality twice",
        cure: "Name each modality once.")
    })
  }
}
