/// The fields of a line of a dialogue file.
///
/// All are optional, so that a message can name the dialogue in which one is missing.
struct DialogueFields: Codable {
  let id: String?
  let utterances: [UtteranceFields]?
}

extension DialogueFields {
  /// Decodes up to the first utterance that lacks a required field.
  ///
  /// That one is an error in any case, and a short file may hold a million of them, which take much
  /// memory.
  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    id = try container.decodeIfPresent(String.self, forKey: .id)
    guard try container.contains(.utterances) && !container.decodeNil(forKey: .utterances) else {
      utterances = nil
      return
    }
    var list = try container.nestedUnkeyedContainer(forKey: .utterances)
    var read: [UtteranceFields] = []
    while !list.isAtEnd, read.last?.isComplete ?? true {
      read.append(try list.decode(UtteranceFields.self))
    }
    utterances = read
  }
}

/// The fields of an utterance in a dialogue file.
struct UtteranceFields: Codable {
  let id: String?
  let speaker: String?
  let text: String?
  let emotion: String?

  fileprivate var isComplete: Bool { id != nil && text != nil }
}
