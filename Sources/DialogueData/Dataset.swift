import Files
import TensorCore

/// The requirements of a run on a dataset.
package struct ReadingOptions: Sendable, Equatable {
  /// The modalities that the run uses; nil for all that the dataset lists.
  package var modalities: [Modality]?

  /// Whether utterances without a label are accepted, as for prediction.
  package var allowsMissingEmotion: Bool

  /// Whether a text encoder reads the words, so that text features are neither needed nor read.
  package var hasTextEncoder: Bool

  /// By default, all listed modalities are used and every utterance needs a label.
  package init(
    modalities: [Modality]? = nil, allowsMissingEmotion: Bool = false, hasTextEncoder: Bool = false
  ) {
    self.modalities = modalities
    self.allowsMissingEmotion = allowsMissingEmotion
    self.hasTextEncoder = hasTextEncoder
  }
}

/// A dataset folder, or a synthetic corpus in its place.
///
/// The manifest is read at once, splits on request.
package struct Dataset: Sendable {
  /// The description of the dataset.
  package let manifest: DatasetManifest

  /// The modalities in use, in the order of `Modality.allCases`.
  package let modalities: [Modality]

  private let source: Source

  private enum Source: Sendable {
    case folder(FolderReader)
    case synthetic(SyntheticCorpus)
  }

  /// Opens a dataset folder.
  ///
  /// - Parameters:
  ///   - folder: the path of the folder.
  ///   - options: the requirements of the run.
  /// - Throws: ``DataError`` if the folder or its `dataset.json` is missing or invalid, or does not
  ///   list a required modality; `FileError` if the storage fails.
  package init(folder: String, options: ReadingOptions = ReadingOptions()) throws {
    let reader = try FolderReader(folder: folder, options: options)
    manifest = reader.manifest
    modalities = reader.modalities
    source = .folder(reader)
  }

  /// Uses a synthetic corpus.
  ///
  /// - Parameters:
  ///   - corpus: the corpus.
  ///   - modalities: those that the run uses, all listed by the corpus; nil for all that it lists.
  package init(_ corpus: SyntheticCorpus, modalities: [Modality]? = nil) {
    manifest = corpus.manifest
    self.modalities = Modality.allCases.filter {
      modalities?.contains($0) ?? (corpus.options.widths[$0] != nil)
    }
    source = .synthetic(corpus)
  }

  /// The splits that the dataset has; `evaluate` and `predict` need only one of them.
  ///
  /// - Throws: `FileError` if the storage fails.
  package func splitNames() throws(FileError) -> [SplitName] {
    switch source {
    case .folder(let reader): try reader.splitNames()
    case .synthetic: SplitName.allCases
    }
  }

  /// Reads or generates a split and validates it completely.
  ///
  /// Nothing is cached; keep the result.
  ///
  /// - Parameters:
  ///   - name: the split.
  ///   - whileReading: called periodically; an error that it throws ends the reading.
  /// - Throws: ``DataError`` of kind `missing` if the dataset has no such split or a file of it is
  ///   absent, of kind `bad` for the first defect; `FileError` if the storage fails.
  package func split(
    _ name: SplitName, whileReading: () throws -> Void = {}
  ) throws -> Split {
    switch source {
    case .folder(let reader): try reader.split(name, whileReading: whileReading)
    case .synthetic(let corpus): corpus.split(name, modalities: modalities)
    }
  }

  /// A digest of the manifest, the modalities in use and the splits given, as 16 hexadecimal
  /// digits.
  ///
  /// Ranks that read the same data have the same digest. For a folder it covers the manifest's
  /// fields, every byte of the dialogues' files and every byte of the features in use.
  package func digest(of splits: [Split]) -> String {
    var digest = StableDigest()
    digest.add(manifest.name)
    for emotion in manifest.emotions { digest.add(emotion) }
    for modality in Modality.allCases {
      digest.add(modality.rawValue)
      digest.add(manifest.modalities[modality] ?? 0)
      digest.add(modalities.contains(modality) ? 1 : 0)
    }
    for split in splits { digest.add(Int(truncatingIfNeeded: split.digest)) }
    return digest.hexadecimal
  }
}
