import Files
import TensorCore

/// What a run wants of a dataset.
package struct ReadingOptions: Sendable, Equatable {
  /// The modalities the run uses; nil for all that the dataset lists.
  package var modalities: [Modality]?

  /// Whether utterances without a label are accepted, as for prediction.
  package var allowsMissingEmotion: Bool

  /// Whether a text encoder reads the words, so that text features are neither needed nor read.
  package var hasTextEncoder: Bool

  /// The default uses everything that the dataset lists and wants a label on every utterance.
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
/// The manifest is read at once, splits when they are asked for.
package struct Dataset: Sendable {
  /// What the dataset says of itself.
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
  ///   - options: what the run wants of it.
  /// - Throws: ``DataError`` if the folder or its `dataset.json` is missing or wrong, or does not
  ///   list a modality that is wanted; `FileError` if the storage fails.
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
  ///   - modalities: those the run uses, all listed by the corpus; nil for all that it lists.
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

  /// Reads or makes a split and checks it completely.
  ///
  /// Every call does the whole work again; keep the result.
  ///
  /// - Parameters:
  ///   - name: the split.
  ///   - whileReading: called again and again; what it throws ends the work.
  /// - Throws: ``DataError`` of kind `missing` if the dataset has no such split or a file of it is
  ///   absent, of kind `bad` for the first thing that is wrong; `FileError` if the storage fails.
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
