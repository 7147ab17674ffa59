import TensorCore
import Testing

@testable import DialogueData

@Suite struct ManifestTests {
  private static let correct = #"""
    {"format": "dferc-dataset", "version": 1, "name": "n", "emotions": ["a", "b"],
     "modalities": {"visual": 3, "text": 2}}
    """#

  @Test func fieldsAreRead() throws {
    let manifest = try DatasetManifest(parsing: Array(Self.correct.utf8), path: "p")
    #expect(
      manifest
        == DatasetManifest(name: "n", emotions: ["a", "b"], modalities: [.text: 2, .visual: 3]))
  }

  @Test func writtenManifestReadsBack() throws {
    let manifest = DatasetManifest(name: "\"ü\"", emotions: ["x", "y"], modalities: [.audio: 7])
    let bytes = try manifest.encoded()
    #expect(String(decoding: bytes, as: UTF8.self).contains("\"version\" : 1\n"))
    #expect(try DatasetManifest(parsing: bytes, path: "p") == manifest)
    #expect(try manifest.encoded() == bytes)
  }

  @Test(arguments: [
    ("dferc-dataset", "other", #"p, field "format": the format is "other", not "dferc-dataset". "#),
    ("1", "2", #"p, field "version": version 2.0 is unknown; this program reads 1. "#),
    ("1", "1.5", #"p, field "version": version 1.5 is unknown"#),
    (#""name": "n", "#, "", #"p, field "name": the field is missing. Add it."#),
    (#"["a", "b"]"#, "3", #"p, field "emotions": the value has the wrong type. Write an array."#),
    (#""b""#, #""a""#, #"p, field "emotions": emotion "a" is listed twice. "#),
    (#""b""#, #""""#, #"p, field "emotions": an emotion has no name. "#),
    (#", "b""#, "", #"p, field "emotions": 1 emotions leave nothing to tell apart. "#),
    (
      "visual", "video",
      #"p, field "modalities": unknown modality "video". The known ones are text, audio, visual."#
    ),
    (
      "3", "0",
      #"p, field "modalities.visual": the width 0.0 is not a whole number in 1 ... 1048576. "#
    ),
    ("3", "2.5", #"p, field "modalities.visual": the width 2.5 is not a whole number in"#),
    ("3", "1e300", #"p, field "modalities.visual": the width 1e+300 is not a whole number in"#),
    ("3", "\"3\"", #"p, field "modalities.visual": the value has the wrong type. "#),
    ("}}", "}", "p: not valid JSON ("),
  ])
  func refusals(text: String, replacement: String, message: String) {
    let spoilt = Self.correct.replacing(text, with: replacement, maxReplacements: 1)
    let error = #expect(throws: DataError.self) {
      try DatasetManifest(parsing: Array(spoilt.utf8), path: "p")
    }
    #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
    #expect(error?.kind == .bad)
  }
}
