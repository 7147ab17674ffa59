import Files
import TensorCore
import TestSupport
import Testing

@testable import DialogueData

@Suite struct FolderReadingTests {
  @Test func dialoguesAndFeaturesAreRead() throws {
    let split = try DatasetFixture().read()
    #expect(split.name == "train")
    #expect(split.emotions == ["calm", "joy"])
    #expect(split.modalities == [.text: 2, .audio: 1])
    #expect(split.dialogues.map(\.id) == ["d1", "d2"])
    #expect(split.dialogues.map(\.firstRow) == [0, 2])
    #expect(split.dialogueLengths == [2, 1])
    #expect(split.labels == [1, 0, 0])
    #expect(
      split.dialogues[0].utterances == [
        Utterance(id: "a", speaker: "Ada", text: "Hm.", emotion: 1),
        Utterance(id: "b", speaker: nil, text: "Ü", emotion: 0),
      ])
    #expect(split.index(ofDialogue: "d2") == 1)
    #expect(split.index(ofDialogue: "d3") == nil)
    #expect(split.allFeatures(.text) == [0, 1, 10, 11, 20, 21])
    #expect(split.allFeatures(.audio) == [0, -1, -2])
  }

  @Test func emptyLinesAndUnknownFieldsArePassedOver() throws {
    var fixture = DatasetFixture()
    fixture.lines.insert("  \r", at: 1)
    fixture.lines[0] = #"{"season": 3, "# + fixture.lines[0].dropFirst() + "\r"
    #expect(try fixture.read().dialogues.map(\.id) == ["d1", "d2"])
  }

  @Test func readingTellsOfItsProgressAndCanBeEnded() throws {
    struct Ended: Error {}
    try withTemporaryFolder { folder in
      try DatasetFixture().write(to: folder)
      let dataset = try Dataset(folder: folder.path)
      var count = 0
      _ = try dataset.split(.train) { count += 1 }
      // Two lines, and a piece of each modality's features.
      #expect(count == 4)
      for last in 1...count {
        var calls = 0
        #expect(throws: Ended.self) {
          try dataset.split(.train) {
            calls += 1
            if calls == last { throw Ended() }
          }
        }
        #expect(calls == last)
      }
    }
  }

  @Test func subsetOfModalities() throws {
    var fixture = DatasetFixture()
    fixture.options.modalities = [.audio]
    fixture.text = [.nan, 0, 0, 0, 0, 0]  // not read, so not refused
    #expect(try fixture.read().modalities == [.audio: 1])
  }

  @Test func missingEmotionIsAllowedForPrediction() throws {
    var fixture = DatasetFixture()
    fixture.lines[1] = #"{"id": "d2", "utterances": [{"id": "a", "text": "", "emotion": null}]}"#
    fixture.options.allowsMissingEmotion = true
    let split = try fixture.read()
    #expect(split.labels == [1, 0, Split.unlabelled])
    #expect(SplitStatistics(of: split).unlabelledCount == 1)
  }

  @Test func textNeedsNoFeaturesWhereAnEncoderRuns() throws {
    try withTemporaryFolder { folder in
      try DatasetFixture().write(to: folder)
      try FileSystem.remove(folder.path("train.safetensors"))
      let options = ReadingOptions(modalities: [.text], hasTextEncoder: true)
      let split = try Dataset(folder: folder.path, options: options).split(.train)
      #expect(split.modalities.isEmpty)
      #expect(split.utteranceCount == 3)
      let both = ReadingOptions(hasTextEncoder: true)
      let error = #expect(throws: DataError.self) {
        try Dataset(folder: folder.path, options: both).split(.train)
      }
      #expect(error?.kind == .missing)
    }
  }

  @Test func encoderLeavesTextFeaturesAlone() throws {
    var fixture = DatasetFixture()
    fixture.options.hasTextEncoder = true
    fixture.text[0] = .infinity
    #expect(try fixture.read().modalities == [.audio: 1])
  }

  @Test func packedBatchStandsWithoutPadding() throws {
    let split = try DatasetFixture().read()
    var batch = PackedBatch([1, 0], of: split)
    #expect(batch.dialogues == [1, 0])
    #expect(batch.offsets == [0, 1, 3])
    #expect(batch.labels == [0, 1, 0])
    var rows = [Float](repeating: .nan, count: 6)
    rows.withUnsafeMutableBufferPointer { batch.copyFeatures(.text, of: split, to: $0) }
    #expect(rows == [20, 21, 0, 1, 10, 11])
    batch.pack([], of: split)
    #expect(batch.isEmpty && batch.offsets == [0] && batch.utteranceCount == 0)
  }

  @Test func digestChangesWithTheDataOnly() throws {
    func digest(_ change: (inout DatasetFixture) -> Void) throws -> String {
      var fixture = DatasetFixture()
      change(&fixture)
      return try withTemporaryFolder { folder in
        try fixture.write(to: folder)
        let dataset = try Dataset(folder: folder.path, options: fixture.options)
        return dataset.digest(of: [try dataset.split(.train)])
      }
    }
    let digests = try [
      digest { _ in }, digest { $0.text[5] = 22 }, digest { $0.audio[0] = -0.0 },
      digest { $0.lines[0].replace("Hm.", with: "Hm!") },
      digest { $0.manifest.replace("small", with: "other") },
      digest { $0.options.modalities = [.text] },
    ]
    #expect(Set(digests).count == digests.count)
    #expect(try digest { _ in } == digests[0])
    #expect(digests.allSatisfy { $0.count == 16 })
  }
}
