import DialogueData
import RunRecords

/// The statistics of a dataset that `data validate` prints.
package struct DatasetReport {
  package let manifest: DatasetManifest
  package let statistics: [SplitStatistics]
  package let digest: String

  /// Checks a dataset folder completely and computes its statistics.
  ///
  /// At least one split must exist; ``text`` names the missing ones.
  ///
  /// - Throws: `DataError` for the first invalid item, `FileError` if the storage fails.
  init(ofFolder folder: String) throws {
    let dataset = try Dataset(
      folder: folder, options: ReadingOptions(allowsMissingEmotion: true))
    let names = try dataset.splitNames()
    // Without any split, reading the first one throws the error of a missing file.
    let splits = try (names.isEmpty ? [.train] : names).map { try dataset.split($0) }
    manifest = dataset.manifest
    statistics = splits.map(SplitStatistics.init)
    digest = dataset.digest(of: splits)
  }

  /// The report as aligned text, with a line feed at the end.
  package var text: String {
    let widths = statistics.first?.widths.map { "\($0.modality) \($0.width)" } ?? []
    return """
      dataset \(manifest.name): \(manifest.emotions.count) emotions, \
      \(widths.joined(separator: ", "))

      \(splitTable)
      \(emotionTable)
      digest \(digest)
      everything is in order\(unlabelledNote)\(missingSplitNote)

      """
  }

  private var splitTable: String {
    var table = TextTable(
      header: ["split", "dialogues", "utterances", "shortest", "mean", "longest", "speakers"])
    for split in statistics {
      table.add([
        split.name, String(split.dialogueCount), String(split.utteranceCount),
        String(split.shortestDialogue), String(fixed: split.meanDialogueLength, digits: 1),
        String(split.longestDialogue), String(split.speakerCount),
      ])
    }
    return table.text
  }

  private var emotionTable: String {
    var table = TextTable(header: ["emotion"] + statistics.map(\.name))
    for (index, emotion) in manifest.emotions.enumerated() {
      table.add([emotion] + statistics.map { String($0.emotionCounts[index].count) })
    }
    if statistics.contains(where: { $0.unlabelledCount > 0 }) {
      table.addRule()
      table.add(["(no emotion)"] + statistics.map { String($0.unlabelledCount) })
    }
    return table.text
  }

  private var missingSplitNote: String {
    let present = statistics.map(\.name)
    let missing = SplitName.allCases.map(\.rawValue).filter { !present.contains($0) }
    guard !missing.isEmpty else { return "" }
    return "; there is no \(missing.joined(separator: " and no ")) split, which train needs"
  }

  private var unlabelledNote: String {
    let names = statistics.filter { $0.unlabelledCount > 0 }.map(\.name)
    guard !names.isEmpty else { return "" }
    return " for predict; train and evaluate need an emotion on every utterance of "
      + names.joined(separator: ", ")
  }
}
