import Checkpointing
import Configuration
import DataParallel
import DialogueData
import Files
import Foundation
import Glibc
import JobControl
import RunRecords
import TensorCore
import Testing

@testable import dferc_dist

@Suite("Commands: exit codes")
struct ExitStatusTests {
  private struct Unforeseen: Error {}

  private static func checkpoint(_ kind: CheckpointError.Kind) -> CheckpointError {
    CheckpointError(kind: kind, path: "p", place: "frame", reason: "r", cure: "C.")
  }

  private static func training(_ kind: TrainingError.Kind) -> TrainingError {
    TrainingError(kind: kind, reason: "r", cure: "C.")
  }

  static let table: [(any Error, Int32)] = [
    (training(.usage), 64),
    (DataError(file: "f", reason: "r", cure: "C."), 65),
    (checkpoint(.damaged), 65),
    (checkpoint(.wrongVersion), 65),
    (checkpoint(.foreignFormat), 65),
    (checkpoint(.mismatch), 65),
    (SafetensorsError(path: "p", place: "header", reason: "r", cure: "C."), 65),
    (FileError(path: "p", operation: "open", code: ENOENT), 66),
    (DataError(kind: .missing, file: "f", reason: "r", cure: "C."), 66),
    (checkpoint(.missing), 66),
    (Unforeseen(), 70),
    (FileError(path: "p", operation: "write", code: ENOSPC), 74),
    (FileError(path: "p", operation: "open", code: EACCES), 74),
    (FileError(path: "p", operation: "open", code: ENOENT, isOutput: true), 74),
    (checkpoint(.storage), 74),
    (RunFolderError(place: "p", reason: "r", cure: "C."), 74),
    (training(.disagreement), 76),
    (ConfigurationError(place: nil, key: nil, reason: "r", cure: "C."), 78),
    (training(.notFinite), 79),
    (training(.stalled), 80),
    (PeerError(rank: 3, code: 79, message: "m"), 79),
  ]

  @Test("Every error has the documented exit code")
  func codes() {
    for (error, code) in Self.table {
      #expect(Files.ExitStatus(error).rawValue == code, "\(error)")
    }
  }

  @Test("Every exit code is in the table, in the README and in --help")
  func documentation() throws {
    // Code 75 is not an error but the status of a stopped run.
    let reached = Set(Self.table.map(\.1)).union([0, 75])
    let codes = Set(Files.ExitStatus.allCases.map(\.rawValue))
    #expect(reached == codes)
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let readme = try String(
      contentsOf: package.appendingPathComponent("README.md"), encoding: .utf8)
    let rows = readme.split(separator: "\n").filter { $0.hasPrefix("|") }
    let help = DFERCDist.helpMessage(columns: 1000)
    let list = try #require(help.split(separator: "Exit codes:").last)
    for code in codes {
      #expect(rows.contains { $0.contains("| \(code) |") }, "README, \(code)")
      #expect(list.contains(" \(code) "), "--help, \(code)")
    }
  }

  @Test("A message is one line, with the number of a rank other than 0")
  func messages() {
    let error = TrainingError(kind: .usage, place: "--x", reason: "a\nb", cure: "C.")
    #expect(ErrorMessage.line(for: error) == "dferc-dist: --x: a b. C.")
    #expect(ErrorMessage.line(for: error, rank: 3) == "dferc-dist (rank 3): --x: a b. C.")
  }

  @Test("A message names the location, if there is one, the reason and the cure")
  func forms() throws {
    let table: [(any ExplainedError, String)] = [
      (
        FileError(path: "p", operation: "open", code: ENOENT),
        "open p: No such file or directory. "
          + "Check the path."
      ),
      (SafetensorsError(path: "p", place: "header", reason: "r", cure: "C."), "p, header: r. C."),
      (Self.checkpoint(.damaged), "p, frame: r. C."),
      (DataError(file: "f", reason: "r", cure: "C."), "f: r. C."),
      (DataError(file: "f", place: "line 3", reason: "r", cure: "C."), "f, line 3: r. C."),
      (RunFolderError(place: "p", reason: "r", cure: "C."), "p: r. C."),
      (Self.training(.stalled), "r. C."),
      (TrainingError(kind: .usage, place: "--x", reason: "r", cure: "C."), "--x: r. C."),
      (ConfigurationError(place: nil, key: nil, reason: "r", cure: "C."), "r. C."),
      (ConfigurationError(place: nil, key: "a.b", reason: "r", cure: "C."), "a.b: r. C."),
      (ConfigurationError(place: "f:3", key: "a.b", reason: "r", cure: "C."), "f:3: a.b: r. C."),
      (ConfigurationError(place: "--set", key: "a.b", reason: "r", cure: "C."), "--set a.b: r. C."),
    ]
    for (error, message) in table { #expect("\(error)" == message) }
    let fault = #expect(throws: FaultSyntaxError.self) { try Fault("kill") }
    #expect("\(try #require(fault))".hasPrefix("\"kill\": it does not begin with kind@phase. "))
  }

  @Test("An unforeseen error is reported as a bug")
  func bug() {
    #expect(
      ErrorMessage.line(for: Unforeseen())
        == "dferc-dist: this is a bug in dferc-dist: Unforeseen(). "
        + "Please report it with the command line and log.txt.")
  }
}
