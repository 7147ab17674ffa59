import Configuration
import DialogueData
import Files
import Foundation
import TensorCore
import TestSupport

@testable import Training
@testable import dferc_dist

extension HostileReader {
  /// `dataset.json`.
  static func manifest(in folder: TemporaryFolder) throws -> HostileReader {
    let sound = Array(SoundDataset.manifest.utf8)
    return try dataset(
      "manifest", in: folder, file: "dataset.json",
      spoil: { spoiltText(sound, HostileJSON.bombs, &$0) })
  }

  /// The lines of a split.
  static func dialogues(in folder: TemporaryFolder) throws -> HostileReader {
    let sound = Array(SoundDataset.lines.utf8)
    return try dataset(
      "dialogues", in: folder, file: "train.jsonl",
      spoil: { spoiltText(sound, HostileJSON.bombs, &$0) })
  }

  /// The features of a split.
  static func features(in folder: TemporaryFolder) throws -> HostileReader {
    let sound = try SoundDataset.features()
    return try dataset(
      "features", in: folder, file: "train.safetensors",
      spoil: { stream in
        guard !stream.nextChance(oneIn: 4) else { return ByteDamage.anywhere(in: sound, &stream) }
        return SpoiltTensors.next(sound, &stream).bytes
      })
  }

  /// A reader of a dataset folder in which one file is spoilt.
  private static func dataset(
    _ name: String, in folder: TemporaryFolder, file: String,
    spoil: @escaping @Sendable (inout RandomStream) throws -> [UInt8]
  ) throws -> HostileReader {
    let path = folder.path
    try SoundDataset.write(to: path)
    return HostileReader(
      name: name, path: "\(path)/\(file)", memoryLimit: { (16 << 20) + 64 * $0 }, spoil: spoil,
      readings: [{ try readDataset(path, []) }, { try readDataset(path, [.text]) }])
  }

  /// What `data validate` and `train` do with a dataset.
  private static func readDataset(_ folder: String, _ modalities: [Modality]) throws {
    if modalities.isEmpty { _ = try DatasetReport(ofFolder: folder).text }
    let options = ReadingOptions(
      modalities: modalities.isEmpty ? nil : modalities, allowsMissingEmotion: modalities.isEmpty)
    let dataset = try Dataset(folder: folder, options: options)
    let names = try dataset.splitNames()
    let splits = try (names.isEmpty ? [.train] : names).map { try dataset.split($0) }
    for split in splits {
      for (modality, width) in split.modalities {
        for dialogue in split.dialogues.indices {
          var row = [Float](repeating: 0, count: split.dialogueLengths[dialogue] * width)
          row.withUnsafeMutableBufferPointer {
            if let start = $0.baseAddress {
              split.copyFeatures(modality, dialogue: dialogue, to: start)
            }
          }
        }
      }
    }
  }

  /// Names of files in a dataset folder, such as those of shards that do not exist.
  static func fileNames(in folder: TemporaryFolder) throws -> HostileReader {
    let list = folder.path("names")
    let path = folder.path("data")
    return HostileReader(
      name: "names", path: list, memoryLimit: { (32 << 20) + 64 * $0 },
      spoil: { spoiltNames(&$0) },
      readings: [
        {
          try SoundDataset.write(to: path, naming: FileSystem.readAll(list))
          try readDataset(path, [])
        }
      ])
  }

  private static func spoiltNames(_ stream: inout RandomStream) -> [UInt8] {
    let sound = stream.nextChance(oneIn: 2) ? ["train.jsonl", "train.safetensors"] : []
    let names = (0...stream.nextInteger(below: 4)).map { _ in
      let number = { (stream: inout RandomStream) in
        stream.nextElement(of: [
          "0", "00000", "00001", "-1", "+1", "00002", "99999", "100000", "1e5",
        ])
      }
      let stem = stream.nextElement(of: ["train", "test", "..", "train ", "TRAIN", "a\u{301}"])
      let shard = "\(stem)-\(number(&stream))-of-\(number(&stream))"
      let end = stream.nextElement(of: [".jsonl", ".safetensors", ".jsonl.tmp", "", ".", ".JSONL"])
      return (stream.nextChance(oneIn: 3) ? stem : shard) + end
    }
    return Array((sound + names).joined(separator: "\n").utf8)
  }
}

extension HostileReader {
  /// Configurations as `--config`, `--set` and checkpoints give them.
  static func configuration(in folder: TemporaryFolder) throws -> HostileReader {
    let path = folder.path("run.yaml")
    let sound = Array(RunConfiguration().yaml.utf8)
    return HostileReader(
      name: "configuration", path: path, memoryLimit: { (48 << 20) + 64 * $0 },
      spoil: { spoiltText(sound, HostileYAML.bombs, &$0) },
      readings: [
        { _ = try ResolvedConfiguration(file: path).annotated },
        { try readAgain(String(decoding: FileSystem.readAll(path), as: UTF8.self)) },
        {
          let text = String(decoding: try FileSystem.readAll(path), as: UTF8.self)
          for key in ["train.seed", "data.modalities", "data.path", text] {
            guard let override = ConfigurationOverride("\(key)=\(text)") else { continue }
            _ = try ResolvedConfiguration(overrides: [override])
          }
        },
      ])
  }

  /// A configuration that was read is printed as one that is read the same.
  private static func readAgain(_ text: String) throws {
    let configuration = try RunConfiguration(yaml: text, source: "run.yaml")
    guard try RunConfiguration(yaml: configuration.yaml, source: "copy") != configuration else {
      return
    }
    struct Changed: Error { let yaml: String }
    throw Changed(yaml: configuration.yaml)
  }

  fileprivate static func spoiltText(
    _ sound: [UInt8], _ bombs: [TextBomb], _ stream: inout RandomStream
  ) -> [UInt8] {
    switch stream.nextInteger(below: 8) {
    case 0: return Array(stream.nextElement(of: bombs)(stream.nextLength(upTo: 1 << 19)).utf8)
    case 1, 2: return ByteDamage.anywhere(in: sound, &stream)
    default:
      var tokens = TextTokens(sound)
      tokens.damage(&stream)
      return tokens.text
    }
  }
}

/// A small dataset folder without fault.
private enum SoundDataset {
  static let manifest = """
    {"format": "dferc-dataset", "version": 1, "name": "small", "emotions": ["calm", "joy"],
     "modalities": {"text": 2, "audio": 1}}
    """

  static let lines = """
    {"id": "d1", "utterances": [{"id": "a", "speaker": "Ada", "text": "Hm.", "emotion": "joy"}, \
    {"id": "b", "text": "\\u00dc", "emotion": "calm"}]}
    {"id": "d2", "utterances": [{"id": "a", "speaker": "Ben", "text": "", "emotion": "calm"}]}

    """

  static func features() throws -> [UInt8] {
    var writer = SafetensorsWriter()
    writer.add("text", [0, 1, 10, 11, 20, 21] as [Float], shape: [3, 2])
    writer.add("audio", type: .f16, shape: [3, 1]) { sink in
      try ([0, 0x3C00, 0xBC00] as [UInt16]).withUnsafeBytes(sink)
    }
    var bytes: [UInt8] = []
    try writer.write { bytes.append(contentsOf: $0) }
    return bytes
  }

  static func write(to folder: String) throws {
    try FileSystem.createDirectory(folder)
    try FileSystem.write(manifest, to: "\(folder)/dataset.json", atomically: false)
    try FileSystem.write(lines, to: "\(folder)/train.jsonl", atomically: false)
    try FileSystem.write(features(), to: "\(folder)/train.safetensors", atomically: false)
  }

  /// Writes the folder anew, with copies of its files under other names in place of its own.
  static func write(to folder: String, naming names: [UInt8]) throws {
    if FileSystem.exists(folder) { try FileSystem.removeTree(folder) }
    try FileSystem.createDirectory(folder)
    try FileSystem.write(manifest, to: "\(folder)/dataset.json", atomically: false)
    for name in String(decoding: names, as: UTF8.self).split(separator: "\n") {
      let path = "\(folder)/\(name)"
      guard !FileSystem.exists(path) else { continue }
      let content = name.contains("jsonl") ? Array(lines.utf8) : try features()
      try FileSystem.write(content, to: path, atomically: false)
    }
  }
}
