/// One turn of a speaker.
package struct Utterance: Sendable, Equatable {
  /// The name of the utterance, unique within its dialogue.
  package let id: String

  /// The speaker; nil if the data does not name one.
  package let speaker: String?

  /// The words.
  package let text: String

  /// The index of the emotion in the split's list of emotions; nil without a label.
  package let emotion: Int?

  /// Creates an utterance from its parts.
  package init(id: String, speaker: String?, text: String, emotion: Int?) {
    self.id = id
    self.speaker = speaker
    self.text = text
    self.emotion = emotion
  }
}

/// A conversation: utterances in spoken order.
package struct Dialogue: Sendable, Equatable {
  /// The name of the dialogue, unique within its split.
  package let id: String

  /// At least one utterance.
  package let utterances: [Utterance]

  /// The row of the first utterance in the split's features; the others follow it.
  package let firstRow: Int

  /// The speaker of each utterance, as an index by first appearance in the dialogue.
  ///
  /// Utterances without a named speaker share an index.
  package let speakers: [Int]

  /// Creates a dialogue from its parts.
  package init(id: String, utterances: [Utterance], firstRow: Int) {
    precondition(!utterances.isEmpty, "dialogue \(id) is empty")
    self.id = id
    self.utterances = utterances
    self.firstRow = firstRow
    var indices: [String?: Int] = [:]
    speakers = utterances.map { utterance in
      let index = indices[utterance.speaker] ?? indices.count
      indices[utterance.speaker] = index
      return index
    }
  }

  /// The rows of the dialogue in the split's features.
  package var rows: Range<Int> { firstRow..<firstRow + utterances.count }
}
