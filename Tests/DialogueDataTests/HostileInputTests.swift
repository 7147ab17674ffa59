import TensorCore
import TestSupport
import Testing

@testable import DialogueData

/// Whatever a line holds, reading it ends with an error and never with a crash.
@Suite struct HostileInputTests {
  private func error(forLine line: [UInt8]) -> DataError? {
    var reader = DialogueFileReader(emotions: ["calm"], allowsMissingEmotion: false)
    return #expect(throws: DataError.self) { try reader.read(line, path: "x.jsonl") }
  }

  @Test func syntaxErrorsNameTheLine() {
    let error = error(forLine: Array("\n{\"id\": \"a\" 4}\n".utf8))
    #expect(error?.place == "line 2")
    #expect(error?.reason.hasPrefix("not valid JSON (") == true)
    #expect(error?.reason.contains("11") == true, "the position in the line is named")
    #expect(error?.cure == "Correct the file, or get it again if it is cut off.")
  }

  @Test(arguments: [
    #"{"id": "a", "utterances": [{"id": "b", "te"#, #"{"id": "a",}"#, "nonsense",
    #"{"id": "\ud800"}"#,
    "{\"id\": \"a\u{1}\"}", #"{"id": "a"} {}"#, "\"", "{", "-", "1e999999999",
  ])
  func brokenLines(line: String) {
    #expect(error(forLine: Array(line.utf8))?.place?.hasPrefix("line 1") == true)
  }

  @Test func deepNesting() {
    let depth = 1_000_000
    for opening in ["[", "{\"a\":", "{\"utterances\": ["] {
      let line = Array(String(repeating: opening, count: depth / opening.utf8.count).utf8)
      #expect(error(forLine: line)?.place == "line 1")
    }
  }

  /// The depth at which the decoder stops, at the very end of the text.
  @Test func nestingUpToTheEnd() {
    for depth in 505...520 {
      let line = Array(("{\"id\":" + String(repeating: "[", count: depth)).utf8)
      #expect(error(forLine: line)?.place == "line 1")
    }
  }

  @Test func notUTF8() {
    let line = Array("{\"id\": \"".utf8) + [0xFF, 0xFE] + Array("\"}".utf8)
    #expect(error(forLine: line)?.reason == "the line is not UTF-8")
    #expect(error(forLine: [0, 0, 0, 0x7B])?.place == "line 1")
  }

  @Test func longLine() {
    let line = [UInt8](repeating: UInt8(ascii: "["), count: DialogueFileReader.largestLine + 1)
    #expect(
      error(forLine: line)?.description
        == "x.jsonl, line 1: the line is 4194305 bytes long, more than 4194304. "
        + "Write one dialogue a line.")
  }

  /// A message quotes data in one line of bounded length.
  @Test func quotedDataIsTamed() {
    let long = String(repeating: "y", count: 1000)
    let name = "a\\n\\u001b[31m" + long
    let error = error(forLine: Array("{\"id\": \"\(name)\", \"utterances\": []}".utf8))
    #expect(error?.place?.contains("\n") == false)
    #expect(error?.place?.contains("\u{1B}") == false)
    #expect((error?.place?.count ?? 1000) < 100)
  }

  /// One byte of a correct line is replaced at every place: an error or a dialogue, no crash.
  @Test func everyByteDamaged() {
    let line = Array(DatasetFixture().lines[0].utf8)
    for position in line.indices {
      for byte: UInt8 in [0, 0x22, 0x5C, 0x7B, 0x5D, 0xC3, 0xFF] {
        var damaged = line
        damaged[position] = byte
        var reader = DialogueFileReader(emotions: ["calm", "joy"], allowsMissingEmotion: true)
        do {
          try reader.read(damaged, path: "x.jsonl")
          #expect(reader.dialogues.count == 1)
        } catch {
          #expect((error as? DataError)?.kind == .bad)
        }
      }
    }
  }
}
