import TensorCore

/// The files of one split in a dataset folder: one pair, or one pair for each shard.
struct SplitFiles: Equatable {
  /// The names without the extension: `train`, or `train-00000-of-00008` and so on, in order.
  let stems: [String]

  /// Whether a folder has dialogues of a split, whole or in shards.
  static func arePresent(of split: SplitName, among names: [String]) -> Bool {
    names.contains("\(split.rawValue).jsonl")
      || names.contains { Shard(fileName: $0, split: split)?.holdsDialogues == true }
  }

  /// Selects the files of a split.
  ///
  /// - Parameters:
  ///   - split: the split.
  ///   - names: the names of all files in the folder.
  ///   - folder: the folder's path, for messages.
  /// - Throws: ``DataError`` of kind `missing` if there is no such split; of kind `bad` if shards
  ///   are missing, differ in their number of shards, or exist beside a split without shards.
  init(of split: SplitName, among names: [String], in folder: String) throws(DataError) {
    let shards = names.compactMap { Shard(fileName: $0, split: split) }
    let dialogueShards = shards.filter(\.holdsDialogues)
    let isWhole = names.contains("\(split.rawValue).jsonl")
    guard isWhole || !dialogueShards.isEmpty else {
      throw DataError(
        kind: .missing, file: "\(folder)/\(split.rawValue).jsonl",
        reason: "the dataset has no \(split.rawValue) split",
        cure: "Write its dialogues to this file, or name another split or dataset.")
    }
    let hasWholeFile = isWhole || names.contains("\(split.rawValue).safetensors")
    if let shard = shards.first, hasWholeFile {
      throw DataError(
        file: "\(folder)/\(shard.stem)", reason: "the split is there both whole and in shards",
        cure: "Remove one of the two.")
    }
    stems = isWhole ? [split.rawValue] : try Self.complete(dialogueShards, of: shards, in: folder)
  }

  /// The stems of all shards, if none is missing and all have the same number of shards.
  private static func complete(
    _ dialogueShards: [Shard], of shards: [Shard], in folder: String
  ) throws(DataError) -> [String] {
    guard let first = dialogueShards.first else { return [] }
    if let other = shards.first(where: { $0.count != first.count }) {
      throw DataError(
        file: "\(folder)/\(other.stem)",
        reason: "the shard is one of \(other.count), but \(first.stem) is one of \(first.count)",
        cure: "Remove the shards that are left from another writing of the split.")
    }
    let present = Set(dialogueShards.map(\.index))
    let expected = (0..<first.count).map {
      Shard(split: first.split, index: $0, count: first.count)
    }
    if let absent = expected.first(where: { !present.contains($0.index) }) {
      throw DataError(
        file: "\(folder)/\(absent.stem).jsonl",
        reason: "the shard is missing; \(present.count) of \(first.count) are there",
        cure: "Get the missing shards.")
    }
    if let beyond = shards.first(where: { $0.index >= $0.count }) {
      throw DataError(
        file: "\(folder)/\(beyond.stem)", reason: "there is no such shard, counted from 0",
        cure: "Remove the file.")
    }
    return expected.map(\.stem)
  }
}

/// The name of a shard's file, such as `train-00000-of-00008.jsonl`.
private struct Shard {
  let split: SplitName
  let index: Int
  let count: Int
  var holdsDialogues = true

  init(split: SplitName, index: Int, count: Int) {
    self.split = split
    self.index = index
    self.count = count
  }

  init?(fileName: String, split: SplitName) {
    let parts = fileName.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, ["jsonl", "safetensors"].contains(parts[1]) else { return nil }
    let words = parts[0].split(separator: "-", omittingEmptySubsequences: false)
    guard words.count == 4, words[0] == split.rawValue, words[2] == "of",
      let index = Int(words[1]), let count = Int(words[3])
    else { return nil }
    self.init(split: split, index: index, count: count)
    holdsDialogues = parts[1] == "jsonl"
    // Numbers in any other format belong to another kind of file.
    guard stem == parts[0], count < 100_000 else { return nil }
  }

  var stem: String { "\(split.rawValue)-\(Self.fiveDigits(index))-of-\(Self.fiveDigits(count))" }

  private static func fiveDigits(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
}
