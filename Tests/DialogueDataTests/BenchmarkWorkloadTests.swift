import TensorCore
import Testing

@testable import DialogueData

@Suite struct BenchmarkWorkloadTests {
  @Test func workloadHasMELDSizes() {
    let split = BenchmarkWorkload.split(dialogueCount: 5, seed: 1)
    #expect(split.modalities == [.text: 1024, .audio: 300, .visual: 342])
    #expect(split.emotions.count == 7)
    #expect(split.dialogues.count == 5)
    #expect(!split.labels.contains(Split.unlabelled))
    #expect(split.dialogueLengths.allSatisfy(BenchmarkWorkload.dialogueLengths.contains))
    #expect(split.digest == BenchmarkWorkload.split(dialogueCount: 5, seed: 1).digest)
    #expect(split.digest != BenchmarkWorkload.split(dialogueCount: 5, seed: 2).digest)
  }

  @Test func splitInMemoryKeepsItsFeatures() {
    let dialogue = Dialogue(
      id: "d", utterances: [Utterance(id: "u", speaker: nil, text: "", emotion: 1)], firstRow: 0)
    let split = Split(
      name: "s", dialogues: [dialogue], emotions: ["a", "b"], features: [.visual: [1, 2, 3]])
    #expect(split.modalities == [.visual: 3])
    #expect(split.allFeatures(.visual) == [1, 2, 3])
    #expect(split.labels == [1])
  }
}
