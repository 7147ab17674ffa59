import Files
import TensorCore

/// Reads and validates the features of the dialogues of one `.jsonl` file.
struct FeatureFileReader {
  /// The path of the `.safetensors` file.
  let path: String

  /// The path of the `.jsonl` file with the same rows, for messages.
  let dialoguePath: String

  /// The dialogues whose rows are in the file.
  let dialogues: ArraySlice<Dialogue>

  /// The modalities to read, with their widths in `dataset.json`.
  let widths: [(modality: Modality, width: Int)]

  /// The features of each modality, in the order of `widths`.
  ///
  /// - Parameters:
  ///   - digest: the features are added to it.
  ///   - whileReading: called after every piece.
  func read(
    into digest: inout StableDigest, whileReading: () throws -> Void
  ) throws -> [FeatureBlock] {
    let file = try open()
    var blocks: [FeatureBlock] = []
    for (modality, width) in widths {
      let block = try block(of: modality, width: width, in: file)
      digest.add(modality.rawValue)
      if let finding = try FeatureAudit.read(block, into: &digest, whileReading: whileReading) {
        throw notFinite(finding, modality)
      }
      blocks.append(block)
    }
    return blocks
  }

  private func open() throws -> SafetensorsFile {
    do {
      return try SafetensorsFile(path: path)
    } catch let error as SafetensorsError {
      throw DataError(
        file: error.path, place: error.place, reason: error.reason, cure: error.cure)
    } catch let error as FileError where error.isMissing {
      throw DataError(
        kind: .missing, file: path,
        reason: "the file with the \(widths.map(\.modality.rawValue).listed) features is missing",
        cure: "Write it, or set data.modalities to what is there.")
    }
  }

  private func block(
    of modality: Modality, width: Int, in file: SafetensorsFile
  ) throws -> FeatureBlock {
    let name = modality.rawValue
    guard let entry = file.entry(name) else {
      let there = file.header.entries.keys.sorted().listExcerpt
      throw error(
        modality, "there is no such tensor; the file holds \(there.isEmpty ? "none" : there)",
        "Write it, or remove the modality from data.modalities.")
    }
    guard let type = FeatureType(rawValue: entry.type.rawValue) else {
      throw error(
        modality, "its type is \(entry.type.rawValue)",
        "Write it as \(FeatureType.allCases.map(\.rawValue).listed).")
    }
    try checkShape(entry.shape, modality, width: width)
    return FeatureBlock(
      type: type, rowCount: entry.shape[0], width: width, bytes: try file.bytes(name), owner: file)
  }

  private func checkShape(_ shape: [Int], _ modality: Modality, width: Int) throws(DataError) {
    guard shape.count == 2 else {
      throw error(modality, "its shape is \(shape)", "Write it as [utterances, \(width)].")
    }
    guard shape[1] == width else {
      throw error(
        modality,
        "its width is \(shape[1]), but \(DatasetManifest.fileName) says \(width)",
        "Correct one of the two.")
    }
    let utteranceCount = dialogues.reduce(0) { $0 + $1.utterances.count }
    guard shape[0] == utteranceCount else {
      throw error(
        modality, "it has \(shape[0]) rows, but \(dialoguePath) has \(utteranceCount) utterances",
        "Write one row for each utterance, in the order of the utterances.")
    }
  }

  /// The error of a value that is not finite, with its dialogue and utterance.
  private func notFinite(_ finding: FeatureAudit.Finding, _ modality: Modality) -> DataError {
    let firstRow = dialogues.first?.firstRow ?? 0
    let row = firstRow + finding.row
    var owner = ""
    if let dialogue = dialogues.first(where: { $0.rows.contains(row) }) {
      let utterance = dialogue.utterances[row - dialogue.firstRow]
      owner = " (dialogue \(dialogue.id.quoted), utterance \(utterance.id.quoted))"
    }
    return error(
      modality, "the value is \(finding.isNaN ? "NaN" : "infinite")",
      "Rows and columns count from 0. Compute the features of this utterance again.",
      at: ", row \(finding.row)\(owner), column \(finding.column)")
  }

  private func error(
    _ modality: Modality, _ reason: String, _ cure: String, at place: String = ""
  ) -> DataError {
    DataError(file: path, place: "tensor \"\(modality)\"\(place)", reason: reason, cure: cure)
  }
}
