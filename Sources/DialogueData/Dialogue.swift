/// What one speaker says in one turn.
public struct Utterance: Sendable, Equatable {
  /// The name of the utterance, unique within its dialogue.
  public let id: String

  /// Who speaks, where the data says so.
  public let speaker: String?

  /// The words.
  public let text: String

  /// The index of the emotion in the split's list of emotions; nil where the data has no label.
  public let emotion: Int?

  /// Makes an utterance from its parts.
  public init(id: String, speaker: String?, text: String, emotion: Int?) {
    self.id = id
    self.speaker = speaker
    self.text = text
    self.emotion = emotion
  }
}

/// A conversation: utterances in the order in which they were spoken.
public struct Dialogue: Sendable, Equatable {
  /// The name of the dialogue, unique within its split.
  public let id: String

  /// At least one utterance.
  public let utterances: [Utterance]

  /// The row of the first utterance in the split's features; the others follow it.
  public let firstRow: Int

  /// Makes a dialogue from its parts.
  public init(id: String, utterances: [Utterance], firstRow: Int) {
    precondition(!utterances.isEmpty, "dialogue \(id) is empty")
    self.id = id
    self.utterances = utterances
    self.firstRow = firstRow
  }

  /// The rows of the dialogue in the split's features.
  public var rows: Range<Int> { firstRow..<firstRow + utterances.count }
}
