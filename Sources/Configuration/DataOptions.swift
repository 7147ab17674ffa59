import Files
import TensorCore

/// The section `data`: what is trained on.
package struct DataOptions: ConfigurationSection {
  /// The dataset folder; nil trains on the built-in synthetic corpus.
  ///
  /// In a file, a relative path is relative to that file; on the command line, to the working
  /// directory. A resolved configuration holds it as an absolute path.
  package var path: String?

  /// The modalities in use, without repetition, in the order of `Modality.allCases`.
  package var modalities: [Modality] = Modality.allCases

  /// The section with its defaults.
  package init() {}

  package static let keys = [
    key("path", \.path, changesResult: false),
    key("modalities", \.orderedModalities, .distinctAndNotEmpty),
  ]

  /// The modalities; setting them puts them into their one order, which sums depend on.
  private var orderedModalities: [Modality] {
    get { modalities }
    set { modalities = Modality.allCases.filter(newValue.contains) }
  }
}

extension Requirement where Value == [Modality] {
  /// At least one modality, and none twice.
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
