import Files
import TensorCore
import TestSupport
import Testing

@testable import DialogueData

/// Every kind of bad data is refused with a message that names the place and the cure.
@Suite struct FolderRefusalTests {
  private func refusal(
    _ message: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ spoil: (inout DatasetFixture) -> Void
  ) throws {
    var fixture = DatasetFixture()
    spoil(&fixture)
    try fixture.expectRefusal(message, sourceLocation: sourceLocation)
  }

  @Test func unknownEmotion() throws {
    try refusal(
      """
      DIR/train.jsonl, line 1, dialogue "d1", utterance "b": unknown emotion "clam". \
      Use one of calm, joy, or list it in dataset.json.
      """
    ) { $0.lines[0].replace("calm", with: "clam") }
  }

  @Test func missingEmotion() throws {
    try refusal(
      """
      DIR/train.jsonl, line 2, dialogue "d2", utterance "a": the field "emotion" is missing. \
      Add it; only prediction works without labels.
      """
    ) { $0.lines[1].replace(#", "emotion": "calm""#, with: "") }
  }

  @Test func missingFields() throws {
    try refusal(#"DIR/train.jsonl, line 2: the field "id" is missing. Add it."#) {
      $0.lines[1] = "{}"
    }
    try refusal(
      #"DIR/train.jsonl, line 2, dialogue "d": the field "utterances" is missing. Add it."#
    ) { $0.lines[1] = #"{"id": "d"}"# }
    try refusal(
      #"DIR/train.jsonl, line 2, dialogue "d": the field "utterances[0].id" is missing. Add it."#
    ) { $0.lines[1] = #"{"id": "d", "utterances": [{}]}"# }
    try refusal(
      """
      DIR/train.jsonl, line 2, dialogue "d", utterance "u": the field "text" is missing. Add it.
      """
    ) { $0.lines[1] = #"{"id": "d", "utterances": [{"id": "u"}]}"# }
    try refusal(#"DIR/train.jsonl, line 2: the field "id" is empty. Give it a name."#) {
      $0.lines[1].replace("d2", with: "")
    }
  }

  @Test func wrongTypes() throws {
    try refusal(
      """
      DIR/train.jsonl, line 1, field "utterances[1].emotion": the value has the wrong type. \
      Write a string.
      """
    ) { $0.lines[0].replace(#""calm""#, with: "0") }
    try refusal(
      #"DIR/train.jsonl, line 2, field "utterances": the value has the wrong type. Write an array."#
    ) { $0.lines[1] = #"{"id": "d2", "utterances": "none"}"# }
    try refusal("DIR/train.jsonl, line 2: the value has the wrong type. Write an object.") {
      $0.lines[1] = "[]"
    }
  }

  @Test func emptyDialogue() throws {
    try refusal(
      """
      DIR/train.jsonl, line 2, dialogue "d2": the dialogue is empty. \
      Give it an utterance, or remove it.
      """
    ) { $0.lines[1] = #"{"id": "d2", "utterances": []}"# }
  }

  @Test func duplicateNames() throws {
    try refusal(
      """
      DIR/train.jsonl, line 2, dialogue "d1": duplicate id; the first dialogue of this name is in \
      line 1 of DIR/train.jsonl. Give every dialogue of a split a name of its own.
      """
    ) { $0.lines[1].replace("d2", with: "d1") }
    try refusal(
      """
      DIR/train.jsonl, line 1, dialogue "d1", utterance "a": duplicate id. \
      Give every utterance of a dialogue a name of its own.
      """
    ) { $0.lines[0].replace(#""b""#, with: #""a""#) }
  }

  @Test func emptySplit() throws {
    try refusal("DIR/train.jsonl: the split has no dialogue. Write one dialogue a line.") {
      $0.lines = []
      $0.text = []
      $0.textShape = [0, 2]
      $0.audio = []
    }
  }

  @Test func widthsAndRows() throws {
    try refusal(
      """
      DIR/train.safetensors, tensor "text": its width is 1, but dataset.json says 2. \
      Correct one of the two.
      """
    ) { $0.textShape = [6, 1] }
    try refusal(
      """
      DIR/train.safetensors, tensor "audio": it has 4 rows, but DIR/train.jsonl has 3 utterances. \
      Write one row for each utterance, in the order of the utterances.
      """
    ) { $0.audio.append(0) }
    try refusal(
      """
      DIR/train.safetensors, tensor "text": its shape is [6]. Write it as [utterances, 2].
      """
    ) { $0.textShape = [6] }
  }

  @Test func notFinite() throws {
    try refusal(
      """
      DIR/train.safetensors, tensor "text", row 2 (dialogue "d2", utterance "a"), column 1: \
      the value is NaN. Rows and columns count from 0. \
      Compute the features of this utterance again.
      """
    ) { $0.text[5] = .nan }
    try refusal(
      """
      DIR/train.safetensors, tensor "audio", row 1 (dialogue "d1", utterance "b"), column 0: \
      the value is infinite. Rows and columns count from 0. \
      Compute the features of this utterance again.
      """
    ) { $0.audio[1] = -.infinity }
  }

  @Test func modalityNotListed() throws {
    try refusal(
      """
      DIR/dataset.json, field "modalities": the run uses visual, but the dataset has text, audio. \
      Set data.modalities to what the dataset has.
      """
    ) { $0.options.modalities = [.text, .visual] }
  }

  @Test func missingTensorAndFiles() throws {
    try refusal(
      """
      DIR/train.safetensors, tensor "visual": there is no such tensor; the file holds audio, text. \
      Write it, or remove the modality from data.modalities.
      """
    ) { $0.manifest.replace("audio", with: "visual") }
    try DatasetFixture().expectRefusal(
      """
      DIR/train.safetensors: the file with the text, audio features is missing. \
      Write it, or set data.modalities to what is there.
      """, kind: .missing
    ) { try FileSystem.remove($0.path("train.safetensors")) }
    try DatasetFixture().expectRefusal(
      """
      DIR/train.jsonl: the dataset has no train split. \
      Write its dialogues to this file, or name another split or dataset.
      """, kind: .missing
    ) { try FileSystem.remove($0.path("train.jsonl")) }
    try DatasetFixture().expectRefusal(
      "DIR/dataset.json: the file is missing. Name a dataset folder; it holds a dataset.json.",
      kind: .missing
    ) { try FileSystem.remove($0.path("dataset.json")) }
  }

  @Test func missingFolder() throws {
    let error = #expect(throws: DataError.self) { try Dataset(folder: "/nowhere/at all/") }
    #expect(error?.kind == .missing)
    #expect(
      error?.description
        == "/nowhere/at all: there is no such folder. "
        + "Name a dataset folder; it holds a dataset.json.")
  }

  @Test func wrongTensorType() throws {
    try DatasetFixture().expectRefusal(
      """
      DIR/train.safetensors, tensor "text": its type is F64. Write it as F32, F16, BF16.
      """
    ) { folder in
      var writer = SafetensorsWriter()
      writer.add("text", [Double](repeating: 0, count: 6), shape: [3, 2])
      try writer.write(toFile: folder.path("train.safetensors"))
    }
  }

  /// Wherever the file of features ends too early, it is refused; which message depends on where.
  @Test(arguments: [0, 7, 8, 60, 200])
  func truncatedFeatures(length: Int) throws {
    try withTemporaryFolder { folder in
      try DatasetFixture().write(to: folder)
      let path = folder.path("train.safetensors")
      let bytes = try FileSystem.readAll(path)
      let kept = min(length, bytes.count - 1)
      try FileSystem.write(Array(bytes.prefix(kept)), to: path)
      let error = #expect(throws: DataError.self) {
        try Dataset(folder: folder.path).split(.train)
      }
      #expect(error?.kind == .bad)
      #expect(error?.file == path)
      #expect(error?.description.contains("damaged") == true)
    }
  }
}
