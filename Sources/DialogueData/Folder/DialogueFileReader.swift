import Files
import TensorCore

/// Reads the dialogues of a split from its `.jsonl` files, one dialogue on each line.
///
/// Names of dialogues must be unique in the split, names of utterances in their dialogue. Empty
/// lines and unknown fields are ignored.
struct DialogueFileReader {
  /// The largest length of a line in bytes that is accepted.
  static let largestLine = 4 << 20

  /// The largest size of a file in bytes that is accepted, as it is held in memory while it is
  /// read.
  static let largestFile = 1 << 32

  let emotions: [String]
  let allowsMissingEmotion: Bool

  private let labels: [String: Int]
  private var linesOfNames: [String: Line] = [:]

  /// The dialogues read so far, with rows numbered across all files.
  private(set) var dialogues: [Dialogue] = []

  /// The utterances of the dialogues read so far.
  private(set) var utteranceCount = 0

  init(emotions: [String], allowsMissingEmotion: Bool) {
    self.emotions = emotions
    self.allowsMissingEmotion = allowsMissingEmotion
    labels = Dictionary(uniqueKeysWithValues: emotions.enumerated().map { ($1, $0) })
  }

  /// Adds the dialogues of a file.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - path: the file's name, for messages.
  ///   - whileReading: called after every line.
  mutating func read(
    _ bytes: [UInt8], path: String, whileReading: () throws -> Void = {}
  ) throws {
    var number = 0
    var start = 0
    while start < bytes.count {
      number += 1
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      try readLine(bytes[start..<end], Line(file: path, number: number))
      try whileReading()
      start = end + 1
    }
  }

  private mutating func readLine(_ bytes: ArraySlice<UInt8>, _ line: Line) throws(DataError) {
    let spaces = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]
    guard bytes.contains(where: { !spaces.contains($0) }) else { return }
    guard bytes.count <= Self.largestLine else {
      throw line.error(
        "the line is \(bytes.count) bytes long, more than \(Self.largestLine)",
        "Write one dialogue a line.")
    }
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw line.error("the line is not UTF-8", "Write the file in UTF-8.")
    }
    let fields = try JSONReading.decode(
      DialogueFields.self, from: bytes, file: line.file, line: line.number)
    let dialogue = try dialogue(from: fields, line)
    dialogues.append(dialogue)
    utteranceCount += dialogue.utterances.count
  }

  private mutating func dialogue(
    from fields: DialogueFields, _ line: Line
  ) throws(DataError) -> Dialogue {
    let id = try line.require(fields.id, "id")
    let line = line.inside(dialogue: id)
    if let first = linesOfNames.updateValue(line, forKey: id) {
      throw line.error(
        "duplicate id; the first dialogue of this name is in line \(first.number) of \(first.file)",
        "Give every dialogue of a split a name of its own.")
    }
    let utteranceFields = try line.require(fields.utterances, "utterances")
    guard !utteranceFields.isEmpty else {
      throw line.error("the dialogue is empty", "Give it an utterance, or remove it.")
    }
    var utterances: [Utterance] = []
    var utteranceNames: Set<String> = []
    for (index, fields) in utteranceFields.enumerated() {
      let utterance = try utterance(from: fields, line, index: index)
      guard utteranceNames.insert(utterance.id).inserted else {
        throw line.inside(utterance: utterance.id).error(
          "duplicate id", "Give every utterance of a dialogue a name of its own.")
      }
      utterances.append(utterance)
    }
    return Dialogue(id: id, utterances: utterances, firstRow: utteranceCount)
  }

  private func utterance(
    from fields: UtteranceFields, _ line: Line, index: Int
  ) throws(DataError) -> Utterance {
    let id = try line.require(fields.id, "utterances[\(index)].id")
    let line = line.inside(utterance: id)
    let text = try line.require(fields.text, "text", mayBeEmpty: true)
    guard let emotion = fields.emotion else {
      guard allowsMissingEmotion else {
        throw line.error(
          "the field \"emotion\" is missing",
          "Add it; only prediction works without labels.")
      }
      return Utterance(id: id, speaker: fields.speaker, text: text, emotion: nil)
    }
    guard let label = labels[emotion] else {
      throw line.error(
        "unknown emotion \(emotion.quoted)",
        "Use one of \(emotions.listExcerpt), or list it in \(DatasetManifest.fileName).")
    }
    return Utterance(id: id, speaker: fields.speaker, text: text, emotion: label)
  }
}

/// A place in a file of dialogues, which is formatted only for a message.
private struct Line {
  let file: String
  let number: Int
  var dialogue: String?
  var utterance: String?

  func inside(dialogue id: String) -> Line { Line(file: file, number: number, dialogue: id) }

  func inside(utterance id: String) -> Line {
    Line(file: file, number: number, dialogue: dialogue, utterance: id)
  }

  func error(_ reason: String, _ cure: String) -> DataError {
    let names = [("dialogue", dialogue), ("utterance", utterance)].compactMap { kind, name in
      name.map { "\(kind) \($0.quoted)" }
    }
    let place = ["line \(number)"] + names
    return DataError(file: file, place: place.listed, reason: reason, cure: cure)
  }

  func require(
    _ text: String?, _ field: String, mayBeEmpty: Bool = false
  ) throws(DataError) -> String {
    guard let text else { throw missing(field) }
    guard mayBeEmpty || !text.isEmpty else {
      throw error("the field \"\(field)\" is empty", "Give it a name.")
    }
    return text
  }

  func require<Value>(_ value: Value?, _ field: String) throws(DataError) -> Value {
    guard let value else { throw missing(field) }
    return value
  }

  private func missing(_ field: String) -> DataError {
    error("the field \"\(field)\" is missing", "Add it.")
  }
}
