import TensorCore
import Testing

@testable import DialogueData

@Suite("Speakers of a batch")
struct SpeakerTests {
  private func dialogue(_ id: String, _ speakers: [String?], firstRow: Int) -> Dialogue {
    Dialogue(
      id: id,
      utterances: speakers.enumerated().map {
        Utterance(id: "\($0)", speaker: $1, text: "", emotion: 0)
      }, firstRow: firstRow)
  }

  @Test("A speaker is the index of the first appearance in the dialogue")
  func firstAppearance() {
    #expect(
      dialogue("a", ["Ross", "Amy", "Ross", "Ben", "Amy"], firstRow: 0).speakers == [0, 1, 0, 2, 1])
    #expect(dialogue("b", [nil, "Amy", nil, "Amy"], firstRow: 0).speakers == [0, 1, 0, 1])
  }

  @Test("A batch counts the speakers of each dialogue anew")
  func packed() {
    let split = Split(
      name: "train",
      dialogues: [
        dialogue("a", ["Ross", "Amy"], firstRow: 0),
        dialogue("b", ["Amy", "Ben", "Amy"], firstRow: 2),
      ], emotions: ["joy"], features: [.text: [Float](repeating: 0, count: 5)])
    var batch = PackedBatch([1, 0], of: split)
    #expect(batch.speakers == [0, 1, 0, 0, 1])
    batch.pack([0], of: split)
    #expect(batch.speakers == [0, 1])
  }
}
