import Files
import Foundation
import TensorCore
import Testing

@testable import DialogueData

/// The real datasets beside the package, or in the folder that `DFERC_DATA` names.
private enum RealData {
  static let folder: String = {
    if let folder = ProcessInfo.processInfo.environment["DFERC_DATA"] { return folder }
    let package = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return package.deletingLastPathComponent().appendingPathComponent("shared/data").path
  }()

  static func exists(_ name: String) -> Bool {
    FileSystem.exists("\(folder)/\(name)/\(DatasetManifest.fileName)")
  }
}

@Suite struct RealDataTests {
  @Test(.enabled(if: RealData.exists("mosi"), "skipped: no folder mosi; DFERC_DATA can name it"))
  func mosi() throws {
    let dataset = try Dataset(folder: "\(RealData.folder)/mosi")
    #expect(dataset.manifest.emotions == ["negative", "positive"])
    let expected: [(SplitName, Int, Int, [Int])] = [
      (.train, 51, 1206, [616, 590]), (.validation, 11, 241, [122, 119]),
      (.test, 31, 752, [285, 467]),
    ]
    for (name, dialogueCount, utteranceCount, counts) in expected {
      let split = try dataset.split(name)
      let statistics = SplitStatistics(of: split)
      #expect(statistics.dialogueCount == dialogueCount)
      #expect(statistics.utteranceCount == utteranceCount)
      #expect(statistics.emotionCounts.map(\.count) == counts)
      #expect(split.modalities == [.text: 100, .audio: 73, .visual: 100])
      // The mapped rows are those that the safetensors reader gives.
      let file = try SafetensorsFile(path: "\(RealData.folder)/mosi/\(name.rawValue).safetensors")
      for modality in Modality.allCases {
        #expect(try split.allFeatures(modality) == file.floats(modality.rawValue))
      }
    }
  }

  @Test(
    .enabled(
      if: RealData.exists("meld-text"), "skipped: no folder meld-text; DFERC_DATA can name it"))
  func meldText() throws {
    let dataset = try Dataset(folder: "\(RealData.folder)/meld-text")
    #expect(dataset.manifest.emotions == MELDStatistics.emotions)
    for name in SplitName.allCases {
      let split = try dataset.split(name)
      let statistics = SplitStatistics(of: split)
      #expect(statistics.emotionCounts.map(\.count) == MELDStatistics.labelCounts(of: name))
      let lengths = MELDStatistics.lengthCounts(of: name)
      #expect(
        lengths
          == (1...lengths.count).map { length in
            split.dialogueLengths.count { $0 == length }
          })
      #expect(split.modalities == [.text: 384])
    }
  }
}
