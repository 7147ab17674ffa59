import Files
import TensorCore
import TestSupport
import Testing

@testable import DialogueData

@Suite struct ShardTests {
  private func stems(_ names: [String]) throws -> [String] {
    try SplitFiles(of: .train, among: names, in: "DIR").stems
  }

  private func refusal(_ names: [String]) -> String? {
    let error = #expect(throws: DataError.self) { try stems(names) }
    return error?.description
  }

  private func shard(_ index: Int, of count: Int, _ kind: String = "jsonl") -> String {
    "train-0000\(index)-of-0000\(count).\(kind)"
  }

  @Test func wholeSplit() throws {
    #expect(try stems(["test.jsonl", "train.jsonl", "train.safetensors"]) == ["train"])
    let others = [
      "train-old.jsonl", "train-1-of-2.jsonl", "train-00000-of-9000000000000000000.jsonl",
    ]
    #expect(try stems(["train.jsonl"] + others) == ["train"])
    #expect(throws: DataError.self) { try stems(others) }
  }

  @Test func shardsInOrder() throws {
    let names = [shard(1, of: 2), shard(0, of: 2), shard(0, of: 2, "safetensors")]
    #expect(try stems(names) == ["train-00000-of-00002", "train-00001-of-00002"])
  }

  @Test func missingShard() {
    #expect(
      refusal([shard(0, of: 3), shard(2, of: 3)])
        == "DIR/train-00001-of-00003.jsonl: the shard is missing; 2 of 3 are there. "
        + "Get the missing shards.")
  }

  @Test func shardsThatDisagree() {
    #expect(
      refusal([shard(0, of: 1), shard(1, of: 2, "safetensors")])
        == "DIR/train-00001-of-00002: the shard is one of 2, but train-00000-of-00001 is one of 1. "
        + "Remove the shards that are left from another writing of the split.")
    #expect(
      refusal([shard(0, of: 1), shard(1, of: 1)])
        == "DIR/train-00001-of-00001: there is no such shard, counted from 0. Remove the file.")
  }

  @Test func wholeAndSharded() {
    for whole in ["train.jsonl", "train.safetensors"] {
      #expect(
        refusal([whole, shard(0, of: 1)])
          == "DIR/train-00000-of-00001: the split is there both whole and in shards. "
          + "Remove one of the two.")
    }
  }

  @Test func onlyFeaturesAreNoSplit() {
    let error = #expect(throws: DataError.self) { try stems(["train.safetensors"]) }
    #expect(error?.kind == .missing)
  }

  /// The shards are joined, with rows that count through.
  @Test func shardedSplitReadsAsOne() throws {
    try withTemporaryFolder { folder in
      let fixture = DatasetFixture()
      try writeShards(of: fixture, to: folder)
      let split = try Dataset(folder: folder.path).split(.train)
      #expect(split.dialogues.map(\.firstRow) == [0, 2])
      #expect(split.allFeatures(.text) == fixture.text)
      #expect(split.allFeatures(.audio) == fixture.audio)
      #expect(split.labels == [1, 0, 0])

    }
  }

  @Test func mistakesInALaterShardAreNamedThere() throws {
    try withTemporaryFolder { folder in
      let fixture = DatasetFixture()
      try writeShards(of: fixture, to: folder)
      func error() -> DataError? {
        #expect(throws: DataError.self) { try Dataset(folder: folder.path).split(.train) }
      }
      // Rows are counted in the shard.
      var second = fixture
      second.text = [0, .nan]
      second.textShape = [1, 2]
      second.audio = [0]
      let stem = folder.path("train-00001-of-00002")
      try second.writeFeatures(to: stem + ".safetensors")
      #expect(error()?.file == stem + ".safetensors")
      #expect(
        error()?.place == #"tensor "text", row 0 (dialogue "d2", utterance "a"), column 1"#)
      // A name that comes again in another shard is a duplicate.
      try FileSystem.write(fixture.lines[0], to: stem + ".jsonl")
      #expect(error()?.file == stem + ".jsonl")
      #expect(error()?.reason.contains("duplicate id") == true)
    }
  }

  /// Writes the fixture in two shards, one dialogue each.
  private func writeShards(of fixture: DatasetFixture, to folder: TemporaryFolder) throws {
    try FileSystem.write(fixture.manifest, to: folder.path("dataset.json"))
    for (index, rows) in [0..<2, 2..<3].enumerated() {
      let stem = folder.path("train-0000\(index)-of-00002")
      try FileSystem.write(fixture.lines[index] + "\n", to: stem + ".jsonl")
      var part = fixture
      part.text = Array(fixture.text[rows.lowerBound * 2..<rows.upperBound * 2])
      part.textShape = [rows.count, 2]
      part.audio = Array(fixture.audio[rows])
      try part.writeFeatures(to: stem + ".safetensors")
    }
  }
}
