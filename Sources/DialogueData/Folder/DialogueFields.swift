/// The fields of a line of a dialogue file.
///
/// All are optional, so that a message can name the dialogue in which one is missing.
struct DialogueFields: Codable {
  let id: String?
  let utterances: [UtteranceFields]?
}

/// The fields of an utterance in a dialogue file.
struct UtteranceFields: Codable {
  let id: String?
  let speaker: String?
  let text: String?
  let emotion: String?
}
