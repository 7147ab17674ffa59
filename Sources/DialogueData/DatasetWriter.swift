import Files
import Foundation
import TensorCore

/// Writes dataset folders that ``Dataset`` reads.
enum DatasetWriter {
  /// Writes a folder; equal splits give equal bytes.
  ///
  /// `dataset.json` is written last, so that a folder with one is complete.
  ///
  /// - Parameters:
  ///   - manifest: describes the dataset; must list the splits' modalities.
  ///   - splits: generates the splits one after another.
  ///   - folder: created if it does not exist; must not hold a dataset.
  ///   - isHalf: whether features are rounded to half precision.
  static func write(
    _ manifest: DatasetManifest, splits: some Sequence<Split>, to folder: String, isHalf: Bool
  ) throws {
    let manifestPath = "\(folder)/\(DatasetManifest.fileName)"
    guard !FileSystem.exists(manifestPath) else {
      throw DataError(
        file: manifestPath, reason: "the folder holds a dataset already",
        cure: "Choose another folder, or remove this one.")
    }
    try FileSystem.createDirectory(folder)
    for split in splits {
      try writeDialogues(of: split, to: "\(folder)/\(split.name).jsonl")
      try writeFeatures(of: split, to: "\(folder)/\(split.name).safetensors", isHalf: isHalf)
    }
    try FileSystem.write(try manifest.encoded(), to: manifestPath)
  }

  private static func writeDialogues(of split: Split, to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var lines: [UInt8] = []
    for dialogue in split.dialogues {
      let utterances = dialogue.utterances.map { utterance in
        UtteranceFields(
          id: utterance.id, speaker: utterance.speaker, text: utterance.text,
          emotion: utterance.emotion.map { split.emotions[$0] })
      }
      lines += try encoder.encode(DialogueFields(id: dialogue.id, utterances: utterances))
      lines.append(UInt8(ascii: "\n"))
    }
    try FileSystem.write(lines, to: path)
  }

  private static func writeFeatures(of split: Split, to path: String, isHalf: Bool) throws {
    guard !split.modalities.isEmpty else { return }
    var writer = SafetensorsWriter()
    for (modality, width) in split.modalities {
      writer.add(
        modality.rawValue, type: isHalf ? .f16 : .f32, shape: [split.utteranceCount, width]
      ) { sink in
        for dialogue in split.dialogues.indices {
          try writeRows(of: dialogue, in: split, modality, isHalf: isHalf, to: sink)
        }
      }
    }
    try writer.write(toFile: path)
  }

  private static func writeRows(
    of dialogue: Int, in split: Split, _ modality: Modality, isHalf: Bool,
    to sink: SafetensorsWriter.Sink
  ) throws {
    let width = split.modalities[modality] ?? 0
    var rows = [Float](repeating: 0, count: split.dialogueLengths[dialogue] * width)
    rows.withUnsafeMutableBufferPointer { buffer in
      if let start = buffer.baseAddress {
        split.copyFeatures(modality, dialogue: dialogue, to: start)
      }
    }
    if isHalf {
      try rows.map(Float16.init).withUnsafeBytes(sink)
    } else {
      try rows.withUnsafeBytes(sink)
    }
  }
}

extension SyntheticCorpus {
  /// Writes the corpus as a dataset folder; equal corpora give equal bytes.
  ///
  /// - Parameters:
  ///   - folder: created if it does not exist; must not hold a dataset.
  ///   - isHalf: whether features are rounded to half precision (F16) instead of kept (F32).
  /// - Throws: ``DataError`` if the folder holds a dataset; `FileError` if the storage fails.
  package func write(to folder: String, isHalf: Bool = false) throws {
    try DatasetWriter.write(
      manifest, splits: SplitName.allCases.lazy.map { split($0) }, to: folder, isHalf: isHalf)
  }
}
