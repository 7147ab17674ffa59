import Files
import Foundation
import TensorCore
import TestSupport
import Testing

@testable import DialogueData

/// A small correct dataset folder, to be spoilt in one place by a test.
///
/// Split `train` has dialogue `d1` with utterances `a`, `b`, and `d2` with `a`; text is two wide,
/// audio one wide. The value in row r and column c of text is 10 r + c, of audio -r.
struct DatasetFixture {
  var manifest = """
    {"format": "dferc-dataset", "version": 1, "name": "small", "emotions": ["calm", "joy"],
     "modalities": {"text": 2, "audio": 1}}
    """
  var lines = [
    #"{"id": "d1", "utterances": [{"id": "a", "speaker": "Ada", "text": "Hm.", "emotion": "joy"}"#
      + #", {"id": "b", "text": "\u00dc", "emotion": "calm"}]}"#,
    #"{"id": "d2", "utterances": [{"id": "a", "speaker": "Ben", "text": "", "emotion": "calm"}]}"#,
  ]
  var text: [Float] = [0, 1, 10, 11, 20, 21]
  var audio: [Float] = [0, -1, -2]
  var textShape = [3, 2]
  var options = ReadingOptions()

  /// Writes the folder.
  func write(to folder: TemporaryFolder) throws {
    try FileSystem.write(manifest, to: folder.path("dataset.json"))
    try FileSystem.write(
      lines.joined(separator: "\n") + "\n", to: folder.path("train.jsonl"))
    try writeFeatures(to: folder.path("train.safetensors"))
  }

  func writeFeatures(to path: String) throws {
    var writer = SafetensorsWriter()
    writer.add("text", text, shape: textShape)
    writer.add("audio", audio, shape: [audio.count, 1])
    try writer.write(toFile: path)
  }

  /// Writes and reads the training split.
  func read() throws -> Split {
    try withTemporaryFolder { folder in
      try write(to: folder)
      return try Dataset(folder: folder.path, options: options).split(.train)
    }
  }

  /// Expects the training split to be refused.
  ///
  /// - Parameters:
  ///   - message: the whole message; the folder's path is written as `DIR`.
  ///   - kind: the kind of the error.
  ///   - alter: changes the folder after it is written.
  func expectRefusal(
    _ message: String, kind: DataError.Kind = .bad,
    sourceLocation: SourceLocation = #_sourceLocation,
    afterWriting alter: (TemporaryFolder) throws -> Void = { _ in }
  ) throws {
    try withTemporaryFolder { folder in
      try write(to: folder)
      try alter(folder)
      let error = #expect(throws: DataError.self, sourceLocation: sourceLocation) {
        try Dataset(folder: folder.path, options: options).split(.train)
      }
      let found = error?.description.replacingOccurrences(of: folder.path, with: "DIR")
      #expect(found == message, sourceLocation: sourceLocation)
      #expect(error?.kind == kind, sourceLocation: sourceLocation)
    }
  }
}

extension Split {
  /// All features of a modality, row-major.
  func allFeatures(_ modality: Modality) -> [Float] {
    let width = modalities[modality] ?? 0
    let batch = PackedBatch(dialogues.indices, of: self)
    var values = [Float](repeating: .nan, count: utteranceCount * width)
    values.withUnsafeMutableBufferPointer { batch.copyFeatures(modality, of: self, to: $0) }
    return values
  }
}
