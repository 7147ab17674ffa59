import Files
import Glibc
import TensorCore

/// Reads a dataset folder.
struct FolderReader: Sendable {
  let manifest: DatasetManifest

  /// The modalities in use, in the order of `Modality.allCases`.
  let modalities: [Modality]

  private let folder: String
  private let options: ReadingOptions

  init(folder: String, options: ReadingOptions) throws {
    self.folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
    self.options = options
    let path = "\(self.folder)/\(DatasetManifest.fileName)"
    let bytes = try Self.content(
      of: path, of: self.folder, limit: DatasetManifest.largestByteCount,
      cure: "Name the \(DatasetManifest.fileName) of a dataset.")
    manifest = try DatasetManifest(parsing: bytes, path: path)
    modalities = try Self.modalities(for: options, of: manifest, path: path)
  }

  /// The modalities in use, which must all be listed, except for text that an encoder reads.
  private static func modalities(
    for options: ReadingOptions, of manifest: DatasetManifest, path: String
  ) throws(DataError) -> [Modality] {
    let listed = Modality.allCases.filter { manifest.modalities[$0] != nil }
    let wanted = options.modalities ?? listed
    let encoded: [Modality] = options.hasTextEncoder ? [.text] : []
    if let absent = wanted.first(where: { !listed.contains($0) && !encoded.contains($0) }) {
      throw DataError(
        file: path, place: "field \"modalities\"",
        reason: "the run uses \(absent), but the dataset has \(listed.map(\.rawValue).listed)",
        cure: "Set data.modalities to what the dataset has.")
    }
    guard !wanted.isEmpty else {
      throw DataError(
        file: path, place: "field \"modalities\"", reason: "there is no modality to use",
        cure: "List at least one of \(Modality.allCases.map(\.rawValue).listed).")
    }
    return Modality.allCases.filter(wanted.contains)
  }

  /// Reads a file that the dataset must have.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - folder: the dataset.
  ///   - limit: the largest size in bytes.
  ///   - cure: what to do about a larger file.
  private static func content(
    of path: String, of folder: String, limit: Int, cure: String
  ) throws -> [UInt8] {
    do {
      return try FileSystem.readAll(path, limit: limit)
    } catch {
      if error.code == EFBIG {
        throw DataError(
          file: path, reason: "the file is larger than \(limit) bytes", cure: cure)
      }
      guard error.isMissing else { throw error }
      let hasFolder = FileSystem.isDirectory(folder)
      throw DataError(
        kind: .missing, file: hasFolder ? path : folder,
        reason: hasFolder ? "the file is missing" : "there is no such folder",
        cure: "Name a dataset folder; it holds a \(DatasetManifest.fileName).")
    }
  }

  /// The splits with dialogues in the folder.
  func splitNames() throws(FileError) -> [SplitName] {
    let names = try FileSystem.list(folder)
    return SplitName.allCases.filter { SplitFiles.arePresent(of: $0, among: names) }
  }

  /// Reads a split and validates it completely.
  ///
  /// - Parameters:
  ///   - name: the split.
  ///   - whileReading: called after every line and every piece of the features.
  func split(_ name: SplitName, whileReading: () throws -> Void) throws -> Split {
    let files = try SplitFiles(of: name, among: try FileSystem.list(folder), in: folder)
    var reader = DialogueFileReader(
      emotions: manifest.emotions, allowsMissingEmotion: options.allowsMissingEmotion)
    var digest = StableDigest()
    var blocks: [[FeatureBlock]] = []
    for stem in files.stems {
      blocks.append(try readPair(stem, with: &reader, into: &digest, whileReading))
    }
    guard !reader.dialogues.isEmpty else {
      throw DataError(
        file: "\(folder)/\(files.stems[0]).jsonl", reason: "the split has no dialogue",
        cure: "Write one dialogue a line.")
    }
    return Split(
      name: name.rawValue, dialogues: reader.dialogues, emotions: manifest.emotions,
      features: tables(joining: blocks), digest: digest.value)
  }

  /// The modalities whose features are read, and their widths; without text if an encoder reads it.
  private var featureWidths: [(modality: Modality, width: Int)] {
    modalities.compactMap { modality in
      if modality == .text && options.hasTextEncoder { return nil }
      return manifest.modalities[modality].map { (modality, $0) }
    }
  }

  /// Reads one file of dialogues and the file of their features.
  private func readPair(
    _ stem: String, with reader: inout DialogueFileReader, into digest: inout StableDigest,
    _ whileReading: () throws -> Void
  ) throws -> [FeatureBlock] {
    let dialoguePath = "\(folder)/\(stem).jsonl"
    let bytes = try Self.content(
      of: dialoguePath, of: folder, limit: DialogueFileReader.largestFile,
      cure: "Write the split in shards.")
    let firstDialogue = reader.dialogues.count
    try reader.read(bytes, path: dialoguePath, whileReading: whileReading)
    bytes.withUnsafeBytes { digest.add($0) }
    guard !featureWidths.isEmpty else { return [] }
    return try FeatureFileReader(
      path: "\(folder)/\(stem).safetensors", dialoguePath: dialoguePath,
      dialogues: reader.dialogues[firstDialogue...], widths: featureWidths
    ).read(into: &digest, whileReading: whileReading)
  }

  private func tables(joining blocks: [[FeatureBlock]]) -> [Modality: FeatureTable] {
    var tables: [Modality: FeatureTable] = [:]
    for (index, (modality, width)) in featureWidths.enumerated() {
      tables[modality] = FeatureTable(width: width, blocks: blocks.map { $0[index] })
    }
    return tables
  }
}
