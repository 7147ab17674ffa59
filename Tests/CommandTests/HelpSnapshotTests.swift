import ArgumentParser
import Foundation
import Testing

@testable import dferc_dist

@Suite("Commands: help pages")
struct HelpSnapshotTests {
  static let pages: [(String, any ParsableCommand.Type)] = [
    ("dferc-dist", DFERCDist.self), ("train", TrainCommand.self),
    ("evaluate", EvaluateCommand.self), ("predict", PredictCommand.self),
    ("step", StepCommand.self), ("checkpoint", CheckpointCommand.self),
    ("checkpoint-inspect", InspectCommand.self), ("checkpoint-verify", VerifyCommand.self),
    ("checkpoint-export", ExportCommand.self), ("data", DataCommand.self),
    ("data-synthesize", SynthesizeCommand.self), ("data-validate", ValidateCommand.self),
    ("bench", BenchCommand.self), ("config", ConfigCommand.self),
    ("config-print", ConfigPrintCommand.self), ("doctor", DoctorCommand.self),
  ]

  /// Compares the pages with the files in `Snapshots`.
  ///
  /// After a deliberate change, run the tests with `DFERC_RECORD_SNAPSHOTS=1` and review the
  /// difference before committing it.
  @Test("Every help page equals its snapshot")
  func pagesEqualSnapshots() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Snapshots")
    let isRecording = ProcessInfo.processInfo.environment["DFERC_RECORD_SNAPSHOTS"] == "1"
    for (name, command) in Self.pages {
      let file = folder.appendingPathComponent("\(name).txt")
      let page = DFERCDist.helpMessage(for: command, columns: 80)
      if isRecording { try Data(page.utf8).write(to: file) }
      #expect(try String(contentsOf: file, encoding: .utf8) == page, "\(name)")
    }
  }

  @Test("Examples in help pages fit into 80 columns")
  func examplesAreNotWrapped() {
    for (name, command) in Self.pages {
      let page = DFERCDist.helpMessage(for: command, columns: 80)
      let wide = DFERCDist.helpMessage(for: command, columns: 1000)
      for line in wide.split(separator: "\n") where line.hasPrefix("  ") && line.contains("dferc-")
      {
        #expect(page.contains(line), "\(name): \(line)")
      }
    }
  }
}
