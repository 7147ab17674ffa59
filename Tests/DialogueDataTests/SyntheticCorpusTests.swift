import Files
import TensorCore
import TestSupport
import Testing

@testable import DialogueData

@Suite struct SyntheticCorpusTests {
  private let small = SyntheticCorpus(seed: 3, options: .init(scale: 0.05))

  /// Table 4 of the paper with its columns under the right names.
  @Test func labelTotalsAreThoseOfMELD() {
    let corpus = SyntheticCorpus(seed: 1, options: .init(widths: [.audio: 1]))
    let expected: [(SplitName, Int, [Int])] = [
      (.train, 1038, [4710, 1205, 268, 683, 1743, 271, 1109]),
      (.validation, 114, [470, 150, 40, 111, 163, 22, 153]),
      (.test, 280, [1256, 281, 50, 208, 402, 68, 345]),
    ]
    for (name, dialogueCount, counts) in expected {
      let statistics = SplitStatistics(of: corpus.split(name))
      #expect(statistics.dialogueCount == dialogueCount)
      #expect(statistics.emotionCounts.map(\.count) == counts)
      #expect(statistics.utteranceCount == counts.reduce(0, +))
      #expect(statistics.shortestDialogue == 1)
      #expect((9.3...9.8).contains(statistics.meanDialogueLength))
      #expect(statistics.longestDialogue == [.train: 24, .validation: 23, .test: 33][name])
    }
  }

  /// Emotions last: MELD's own speakers keep their emotion in 44 % of their turns; drawn one by one
  /// from the label totals it would be 29 %.
  @Test func emotionsHaveInertia() {
    let split = SyntheticCorpus(seed: 1, options: .init(widths: [.audio: 1])).split(.train)
    var kept = 0
    var total = 0
    for dialogue in split.dialogues {
      var last: [String: Int] = [:]
      for utterance in dialogue.utterances {
        guard let speaker = utterance.speaker, let emotion = utterance.emotion else { continue }
        if let before = last[speaker] {
          total += 1
          kept += before == emotion ? 1 : 0
        }
        last[speaker] = emotion
      }
    }
    // About 6,000 turns: three standard errors are 0.02.
    #expect((0.50...0.66).contains(Double(kept) / Double(total)))
  }

  @Test func sameSeedSameBits() {
    let again = SyntheticCorpus(seed: 3, options: .init(scale: 0.05))
    let other = SyntheticCorpus(seed: 4, options: .init(scale: 0.05))
    #expect(small.split(.train).digest == again.split(.train).digest)
    #expect(small.split(.train).digest != other.split(.train).digest)
    #expect(small.split(.train).digest != small.split(.test).digest)
  }

  /// A modality's features do not depend on which others are asked for.
  @Test func modalitiesAreIndependentOfTheSubset() {
    let all = small.split(.validation)
    let audio = small.split(.validation, modalities: [.audio])
    #expect(audio.modalities == [.audio: 96])
    #expect(audio.allFeatures(.audio) == all.allFeatures(.audio))
    #expect(audio.dialogues == all.dialogues)
  }

  @Test func scaleKeepsTheShares() {
    let statistics = SplitStatistics(of: small.split(.train))
    #expect(statistics.dialogueCount == 52)
    #expect((400...600).contains(statistics.utteranceCount))
    let neutral = Double(statistics.emotionCounts[0].count) / Double(statistics.utteranceCount)
    #expect(abs(neutral - 4710.0 / 9989.0) < 0.002)  // exact but for rounding to whole utterances
  }

  /// Every feature varies, and none is large.
  @Test func featuresAreWellScaled() {
    let split = small.split(.train)
    for modality in Modality.allCases {
      let values = split.allFeatures(modality)
      let mean = values.reduce(0, +) / Float(values.count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)
      #expect(abs(mean) < 0.5)
      #expect((0.5...4).contains(variance))
      #expect(values.allSatisfy { abs($0) < 15 })
    }
  }

  @Test func wordsFollowWhatTheTextShows() {
    let script = DialogueScript.dialogues(seed: 3, split: .train, scale: 0.05)
    let dialogues = small.split(.train).dialogues
    #expect(script.count == dialogues.count)
    for (turns, dialogue) in zip(script, dialogues) {
      #expect(turns.map(\.emotion) == dialogue.utterances.map(\.emotion))
      #expect(dialogue.utterances.allSatisfy { !$0.text.isEmpty && !$0.text.contains("NAME") })
    }
    let turns = script.flatMap(\.self)
    let disagreeing = turns.filter { Set($0.shown).count > 1 }
    // A tenth of about 500 turns; four standard errors are 0.054.
    #expect(abs(Double(disagreeing.count) / Double(turns.count) - 0.1) < 0.054)
    #expect(turns.allSatisfy { turn in turn.shown.filter { $0 != turn.emotion }.count <= 1 })
  }

  @Test(arguments: [false, true])
  func writtenFolderReadsBack(isHalf: Bool) throws {
    try withTemporaryFolder { folder in
      try small.write(to: folder.path("a"), isHalf: isHalf)
      try small.write(to: folder.path("b"), isHalf: isHalf)
      for name in try FileSystem.list(folder.path("a")) {
        #expect(
          try FileSystem.readAll(folder.path("a/\(name)"))
            == FileSystem.readAll(folder.path("b/\(name)")))
      }
      let dataset = try Dataset(folder: folder.path("a"))
      #expect(dataset.manifest == small.manifest)
      for name in SplitName.allCases {
        let (read, made) = (try dataset.split(name), small.split(name))
        #expect(read.dialogues == made.dialogues)
        for modality in Modality.allCases {
          let expected = made.allFeatures(modality).map { isHalf ? Float(Float16($0)) : $0 }
          #expect(read.allFeatures(modality) == expected)
        }
      }
      let error = #expect(throws: DataError.self) { try small.write(to: folder.path("a")) }
      #expect(error?.reason == "the folder holds a dataset already")
    }
  }

  @Test func optionsOutOfRangeAreDescribed() {
    typealias Options = SyntheticCorpus.Options
    #expect(Options().problem == nil)
    #expect(Options(scale: 0).problem?.contains("scale 0.0") == true)
    #expect(Options(scale: .nan).problem != nil)
    #expect(Options(widths: [:]).problem != nil)
    #expect(Options(widths: [.audio: 0]).problem?.contains("audio width 0") == true)
  }

  @Test func datasetOfACorpus() throws {
    let dataset = Dataset(small, modalities: [.visual, .text])
    #expect(dataset.modalities == [.text, .visual])
    #expect(try dataset.split(.test).modalities == [.text: 128, .visual: 96])
    #expect(Dataset(small).modalities == Modality.allCases)
  }

  @Test func apportioning() {
    #expect(MELDStatistics.apportion(10, by: [1, 1, 1]) == [4, 3, 3])
    #expect(MELDStatistics.apportion(0, by: [5, 2]) == [0, 0])
    #expect(MELDStatistics.apportion(7, by: [0, 7]) == [0, 7])
    #expect(MELDStatistics.apportion(5, by: [6, 3, 1]) == [3, 2, 0])
  }

  /// Sums of four numbers of 16 bits; the sums come from a separate program in Python.
  @Test func normalNumbers() {
    var stream = RandomStream(seed: 42, purpose: "normal")
    for sum: Float in [146_725, 155_357, 137_680, 179_821] {
      #expect(stream.nextNormal() == (sum - 131_070) * (1 / 37_837.23))
    }
    let values = (0..<10_000).map { _ in stream.nextNormal() }
    let mean = values.reduce(0, +) / 10_000
    let variance = values.reduce(0) { $0 + $1 * $1 } / 10_000
    #expect(abs(mean) < 0.04)  // four standard errors
    #expect(abs(variance - 1) < 0.05)
  }
}
