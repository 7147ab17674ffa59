import Foundation
import TensorCore

/// The description of a dataset in `dataset.json`.
package struct DatasetManifest: Sendable, Equatable {
  /// The name of the dataset.
  package let name: String

  /// The emotions; a label is an index in this list.
  package let emotions: [String]

  /// The width of the features of every modality that the dataset has.
  package let modalities: [Modality: Int]

  static let fileName = "dataset.json"
  static let format = "dferc-dataset"
  static let version = 1

  /// The largest width of features that is accepted.
  package static let largestWidth = 1 << 20

  /// The largest number of emotions that is accepted.
  package static let largestEmotionCount = 10_000

  /// The largest size of `dataset.json` in bytes that is accepted.
  static let largestByteCount = 1 << 20

  /// Describes a dataset.
  package init(name: String, emotions: [String], modalities: [Modality: Int]) {
    self.name = name
    self.emotions = emotions
    self.modalities = modalities
  }

  /// Parses and validates a `dataset.json`.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - path: the file's name, for messages.
  /// - Throws: ``DataError`` for any deviation from the format.
  package init(parsing bytes: [UInt8], path: String) throws(DataError) {
    let fields = try JSONReading.decode(Fields.self, from: bytes[...], file: path, line: nil)
    try fields.check(path: path)
    name = fields.name
    emotions = fields.emotions
    modalities = Dictionary(
      uniqueKeysWithValues: fields.modalities.compactMap { key, width in
        Modality(rawValue: key).map { ($0, Int(width)) }
      })
  }

  /// The bytes of the `dataset.json` that describes the dataset; the same for equal manifests.
  func encoded() throws -> [UInt8] {
    let fields = Fields(
      format: Self.format, version: Double(Self.version), name: name, emotions: emotions,
      modalities: Dictionary(
        uniqueKeysWithValues: modalities.map { ($0.key.rawValue, Double($0.value)) }))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(fields)) + [UInt8(ascii: "\n")]
  }

  /// The fields of the file.
  ///
  /// Whole numbers are decoded as `Double`: for another number the decoder would only report that
  /// the file is no JSON.
  private struct Fields: Codable {
    let format: String
    let version: Double
    let name: String
    let emotions: [String]
    let modalities: [String: Double]

    func check(path: String) throws(DataError) {
      try checkFormat(path: path)
      try checkEmotions(path: path)
      for (key, width) in modalities.sorted(by: { $0.key < $1.key }) {
        guard Modality(rawValue: key) != nil else {
          throw DataError(
            file: path, place: "field \"modalities\"", reason: "unknown modality \(key.quoted)",
            cure: "The known ones are \(Modality.allCases.map(\.rawValue).listed).")
        }
        guard let count = Int(exactly: width), (1...DatasetManifest.largestWidth).contains(count)
        else {
          throw DataError(
            file: path, place: "field \"modalities.\(key)\"",
            reason:
              "the width \(width) is not a whole number in 1 ... \(DatasetManifest.largestWidth)",
            cure: "Give the number of columns of the tensor \"\(key)\".")
        }
      }
    }

    private func checkFormat(path: String) throws(DataError) {
      guard format == DatasetManifest.format else {
        throw DataError(
          file: path, place: "field \"format\"",
          reason: "the format is \(format.quoted), not \"\(DatasetManifest.format)\"",
          cure: "Name a dataset folder.")
      }
      guard Int(exactly: version) == DatasetManifest.version else {
        throw DataError(
          file: path, place: "field \"version\"",
          reason: "version \(version) is unknown; this program reads \(DatasetManifest.version)",
          cure: "Write the dataset in version \(DatasetManifest.version), or update the program.")
      }
    }

    private func checkEmotions(path: String) throws(DataError) {
      var seen: Set<String> = []
      for emotion in emotions where emotion.isEmpty || !seen.insert(emotion).inserted {
        throw DataError(
          file: path, place: "field \"emotions\"",
          reason: emotion.isEmpty
            ? "an emotion has no name" : "emotion \(emotion.quoted) is listed twice",
          cure: "List every emotion once, by its name.")
      }
      guard emotions.count >= 2 else {
        throw DataError(
          file: path, place: "field \"emotions\"",
          reason: "\(emotions.count) emotions leave nothing to tell apart",
          cure: "List at least two emotions.")
      }
      guard emotions.count <= DatasetManifest.largestEmotionCount else {
        throw DataError(
          file: path, place: "field \"emotions\"",
          reason: "there are \(emotions.count), more than \(DatasetManifest.largestEmotionCount)",
          cure: "List the emotions that are to be told apart.")
      }
    }
  }
}
