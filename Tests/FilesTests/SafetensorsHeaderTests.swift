import Testing

@testable import Files

/// A safetensors file of a given header and data of zeros.
private func file(_ json: String, dataByteCount: Int = 0) -> [UInt8] {
  file(Array(json.utf8), dataByteCount: dataByteCount)
}

private func file(_ json: [UInt8], dataByteCount: Int = 0) -> [UInt8] {
  withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
    + [UInt8](repeating: 0, count: dataByteCount)
}

private func header(_ bytes: [UInt8]) throws -> SafetensorsHeader {
  try bytes.withUnsafeBytes { try SafetensorsHeader(parsing: $0, path: "test.safetensors") }
}

private func entry(_ type: String, _ shape: String, _ offsets: String) -> String {
  "{\(entry(type, shape, offsets, name: "a"))}"
}

private func entry(
  _ type: String, _ shape: String, _ offsets: String, name: String
) -> String {
  #""\#(name)":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}"#
}

@Suite("Safetensors header")
struct SafetensorsHeaderTests {
  struct Refusal: Sendable, CustomTestStringConvertible {
    let json: String
    var dataByteCount = 0
    let reason: String
    var testDescription: String { reason + ": " + json.prefix(60) }
  }

  static let refusals: [Refusal] = [
    Refusal(json: "", reason: "InvalidHeaderStart"),
    Refusal(json: " {}", reason: "InvalidHeaderStart"),
    Refusal(json: "[]", reason: "InvalidHeaderStart"),
    Refusal(json: "{", reason: "'\"' is expected"),
    Refusal(json: "{}}", reason: "something follows"),
    Refusal(json: "{}\0", reason: "something follows"),
    Refusal(json: "{,}", reason: "'\"' is expected"),
    Refusal(json: #"{"a"}"#, reason: "':' is expected"),
    Refusal(json: #"{"a":1}"#, reason: "'{' is expected"),
    Refusal(json: #"{"a":{}}"#, reason: "needs dtype, shape and data_offsets"),
    Refusal(json: #"{"a":{"dtype":"U8","shape":[]}}"#, reason: "needs dtype, shape"),
    Refusal(json: #"{"a":{"dtype":"U8","dtype":"U8"}}"#, reason: "field dtype twice"),
    Refusal(json: #"{"a":{"shape":[],"shape":[]}}"#, reason: "field shape twice"),
    Refusal(json: #"{"a":{"size":[]}}"#, reason: "unknown field size"),
    Refusal(json: #"{"a":{"dtype":{"x":"#, reason: "'\"' is expected"),
    Refusal(json: entry("U8", "[[0]]", "[0,0]"), reason: "whole number"),
    Refusal(json: entry("U8", "[0", "[0,0]"), reason: "whole number"),
    Refusal(json: entry("U8", "[0 0]", "[0,0]"), reason: "',' is expected"),
    Refusal(json: entry("U8", "[0,]", "[0,0]"), reason: "whole number"),
    Refusal(json: entry("U8", "[-1]", "[0,0]"), reason: "whole number"),
    Refusal(json: entry("U8", "[1.0]", "[0,1]"), dataByteCount: 1, reason: "',' is expected"),
    Refusal(json: entry("U8", "[01]", "[0,1]"), dataByteCount: 1, reason: "begins with 0"),
    Refusal(json: entry("U8", "[1e0]", "[0,1]"), dataByteCount: 1, reason: "',' is expected"),
    Refusal(json: entry("U9", "[1]", "[0,1]"), dataByteCount: 1, reason: "unknown type U9"),
    Refusal(json: entry("u8", "[1]", "[0,1]"), dataByteCount: 1, reason: "unknown type u8"),
    Refusal(json: entry("U8", "[1]", "[0]"), dataByteCount: 1, reason: "InvalidOffset"),
    Refusal(json: entry("U8", "[1]", "[0,1,1]"), dataByteCount: 1, reason: "InvalidOffset"),
    Refusal(json: entry("U8", "[1]", "[1,0]"), dataByteCount: 1, reason: "InvalidOffset"),
    Refusal(json: entry("U8", "[2]", "[0,1]"), dataByteCount: 1, reason: "TensorInvalidInfo"),
    Refusal(json: entry("F32", "[]", "[0,3]"), dataByteCount: 3, reason: "TensorInvalidInfo"),
    Refusal(json: entry("F4", "[3]", "[0,1]"), dataByteCount: 1, reason: "ValidationOverflow"),
    Refusal(json: entry("U8", "[1]", "[1,2]"), dataByteCount: 2, reason: "InvalidOffset"),
    Refusal(
      json: entry("U8", "[1]", "[0,1]"), dataByteCount: 2, reason: "MetadataIncompleteBuffer"),
    Refusal(json: entry("U8", "[1]", "[0,1]"), reason: "MetadataIncompleteBuffer"),
    Refusal(
      json: entry("U8", "[" + String(repeating: "1,", count: 64) + "1]", "[0,1]"),
      dataByteCount: 1, reason: "more than 64 numbers"),
    Refusal(
      json: "{"
        + (0...100_000).map { entry("U8", "[0]", "[0,0]", name: "\($0)") }
        .joined(separator: ",") + "}", reason: "more than 100000 tensors"),
    Refusal(
      json: #"{"__metadata__":{"# + (0...100_000).map { "\"\($0)\":\"\"" }.joined(separator: ",")
        + "}}", reason: "more than 100000 strings"),
    Refusal(
      json: #"{"\u001b"# + String(repeating: "b", count: 100) + #"":{"x":1}}"#,
      reason: "tensor  " + String(repeating: "b", count: 59) + "... has an unknown field x"),
    Refusal(json: "{}", dataByteCount: 1, reason: "MetadataIncompleteBuffer"),
    Refusal(
      json: entry("U8", "[4294967296,4294967296]", "[0,0]"), reason: "ValidationOverflow"),
    Refusal(
      json: entry("F64", "[288230376151711744]", "[0,0]"), reason: "ValidationOverflow"),
    Refusal(
      json: entry("U8", "[1]", "[0,99999999999999999999]"), dataByteCount: 1,
      reason: "ValidationOverflow"),
    Refusal(
      json: entry("U8", "[9223372036854775807]", "[0,9223372036854775807]"),
      reason: "ValidationOverflow"),
    Refusal(
      json: #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
        + #""b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
      dataByteCount: 1, reason: "InvalidOffset"),
    Refusal(
      json: #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
        + #""b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#,
      dataByteCount: 3, reason: "InvalidOffset"),
    Refusal(
      json: #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"#
        + #""\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
      reason: "the tensor a appears twice"),
    Refusal(json: #"{"__metadata__":{"a":"","a":""}}"#, reason: "key a appears twice"),
    Refusal(
      json: #"{"__metadata__":{},"__metadata__":{}}"#, reason: "__metadata__ appears twice"),
    Refusal(json: #"{"__metadata__":{"a":1}}"#, reason: "'\"' is expected"),
    Refusal(json: #"{"__metadata__":{"a":{}}}"#, reason: "'\"' is expected"),
    Refusal(json: #"{"__metadata__":[]}"#, reason: "'{' is expected"),
    Refusal(json: #"{"__metadata__":{"a":"\x"}}"#, reason: "an escape is unknown"),
    Refusal(json: #"{"__metadata__":{"a":"\u12g4"}}"#, reason: "four hexadecimal digits"),
    Refusal(json: #"{"__metadata__":{"a":"\ud83d"}}"#, reason: "a surrogate stands alone"),
    Refusal(json: #"{"__metadata__":{"a":"\ud83d\u0041"}}"#, reason: "a surrogate stands alone"),
    Refusal(json: #"{"__metadata__":{"a":"\ude00"}}"#, reason: "a surrogate stands alone"),
    Refusal(json: "{\"__metadata__\":{\"a\":\"\n\"}}", reason: "control character"),
    Refusal(json: #"{"__metadata__":{"a":""#, reason: "a string does not end"),
    Refusal(json: String(repeating: #"{"a":"#, count: 100_000), reason: "unknown field a"),
    Refusal(
      json: #"{"a":{"shape":"# + String(repeating: "[", count: 100_000), reason: "whole number"),
  ]

  @Test("what is not as the format has it is refused with its reason", arguments: refusals)
  func refused(refusal: Refusal) {
    let error = #expect(throws: SafetensorsError.self) {
      try header(file(refusal.json, dataByteCount: refusal.dataByteCount))
    }
    let isNamed = error?.description.contains(refusal.reason) == true
    #expect(isNamed, "\(String(describing: error))")
    #expect(error?.path == "test.safetensors")
  }

  @Test("a string that is not UTF-8 is refused")
  func invalidUTF8() {
    let json = Array(#"{"__metadata__":{"a":""#.utf8) + [0xC3, 0x28] + Array(#""}}"#.utf8)
    let error = #expect(throws: SafetensorsError.self) { try header(file(json)) }
    #expect(error?.reason.contains("InvalidHeader") == true)
  }

  @Test("a length that no file can have is refused without asking for memory")
  func lengths() {
    let tooShort = #expect(throws: SafetensorsError.self) { try header([1, 0, 0]) }
    #expect(tooShort?.reason.contains("HeaderTooSmall") == true)
    for length in [100_000_001, UInt64.max, 1 << 63, UInt64(Int.max) - 7] {
      let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array("{}".utf8)
      let error = #expect(throws: SafetensorsError.self) { try header(bytes) }
      #expect(error?.reason.contains("HeaderTooLarge") == true)
    }
    let bytes = withUnsafeBytes(of: UInt64(100_000_000).littleEndian) { Array($0) }
    let error = #expect(throws: SafetensorsError.self) { try header(bytes) }
    #expect(error?.reason.contains("InvalidHeaderLength") == true)
  }

  @Test("what the format allows is read")
  func allowed() throws {
    #expect(try header(file("{}")).entries.isEmpty)
    #expect(try header(file(#"{"__metadata__":{"a":"b"}}   "#)).metadata == ["a": "b"])
    let spaced = " \t\r\n"
    let entry =
      "{\(spaced)\"a\"\(spaced):\(spaced){\"dtype\":\"F4\",\"shape\":[\(spaced)2\(spaced),1],"
      + "\"data_offsets\":[0,1]\(spaced)}\(spaced)}\(spaced)"
    #expect(try header(file(entry, dataByteCount: 1)).entries["a"]?.shape == [2, 1])
    let escapes = try header(file(#"{"__metadata__":{"\"\\\/\b\f\n\r\t":"\u00e9\ud83d\ude00"}}"#))
    #expect(escapes.metadata == ["\"\\/\u{8}\u{C}\n\r\t": "é😀"])
  }

  @Test("empty tensors may stand anywhere, a scalar has an empty shape")
  func emptyTensors() throws {
    let json =
      #"{"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"#
      + #""a":{"dtype":"F32","shape":[0,7],"data_offsets":[2,2]},"#
      + #""c":{"dtype":"U8","shape":[],"data_offsets":[2,3]},"#
      + #""d":{"dtype":"F32","shape":[9223372036854775807,0],"data_offsets":[3,3]}}"#
    let error = #expect(throws: SafetensorsError.self) {
      try header(file(json, dataByteCount: 3))
    }
    #expect(error?.reason.contains("ValidationOverflow") == true)
    let found = try header(file(json.replacing("9223372036854775807", with: "9"), dataByteCount: 3))
    #expect(found.entriesInFileOrder.map(\.name) == ["b", "a", "c", "d"])
    #expect(found.entries["c"]?.elementCount == 1)
  }

  @Test("every type has its size", arguments: SafetensorsType.allCases)
  func types(type: SafetensorsType) throws {
    // Eight elements of any type are whole bytes.
    let json = entry(type.rawValue, "[8]", "[0,\(type.bitCount)]")
    let found = try header(file(json, dataByteCount: type.bitCount))
    #expect(found.entries["a"]?.type == type)
  }
}
