/// The fields of a line of a dialogue file.
///
/// All are optional, so that a message can name the dialogue in which one is missing.
struct DialogueFields: Codable {
  let id: String?
  let utterances: [UtteranceFields]?
}

extension DialogueFields {
  /// Reads no further than to the first utterance that lacks what every utterance must have.
  ///
  /// That one ends the reading in any case, and a list of a million of its kind takes little room in
  /// a file but much in memory.
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
