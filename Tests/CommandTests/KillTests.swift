import Checkpointing
import Foundation
import Glibc
import TensorCore
import TestSupport
import Testing

/// Real runs whose processes are killed at any instant and that go on at other rank counts.
@Suite("Commands: kills", .timeLimit(.minutes(10)))
struct KillTests {
  private let small: SmallRun

  init() throws { small = try SmallRun() }

  private static let settings = [
    "--set", "train.microBatches=8", "--set", "checkpoint.everySteps=2", "--threads", "1",
  ]

  @Test("Killed again and again and resumed at other rank counts, a run leaves the same")
  func killed() throws {
    let whole = try small.train("whole", Self.settings, ranks: 2)
    try #require(whole.status == 0, "\(whole.errors)")
    for (kill, ranks) in [4, 1, 2, 8, 2, 4].enumerated() {
      try killOnce(number: kill, ranks: ranks)
    }
    let last = try small.train("cut", Self.settings + ["--resume", "auto"], ranks: 4)
    try #require(last.status == 0, "\(last.errors)")
    #expect(last.output.hasSuffix(whole.output))
    #expect(try small.metrics("cut") == small.metrics("whole"))
    #expect(try small.text("cut/samples.jsonl") == small.text("whole/samples.jsonl"))
    let names = try FileSystem.list(small.folder.path("cut"))
    #expect(!names.contains { $0.hasSuffix(".tmp") }, "\(names)")
    for file in ["checkpoints/step-00000018", "best"] {
      let hashes = try ["whole", "cut"].map {
        try Checkpoint(path: small.folder.path("\($0)/\(file).safetensors.zst")).text("sha256")
      }
      #expect(hashes[0] == hashes[1], "\(file)")
    }
  }

  /// Starts the run and kills a rank or the launcher when a few more rows are there.
  private func killOnce(number: Int, ranks: Int) throws {
    let before = rows
    let run = try LiveProgram(
      [
        "train", "--config", small.configuration, "--data", small.data, "--output",
        small.folder.path("cut"), "--log-samples", "--resume", "auto",
      ] + Self.settings, ranks: ranks)
    // The rows behind the checkpoint go when the run is opened; the file may be short for a moment.
    try run.wait { rows != before && rows > 0 && rows >= before + number % 3 - 1 }
    let processes = run.ranks
    let target = number.isMultiple(of: 2) ? processes.randomElement() : run.launcher
    kill(target ?? run.launcher, SIGKILL)
    #expect(try run.finish() != 0)
    // Ranks whose launcher is gone end by themselves, but not at once.
    try wait { processes.allSatisfy { !FileSystem.exists("/proc/\($0)/exe") } }
  }

  private func wait(until isSo: () -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while !isSo() {
      try #require(ContinuousClock.now < deadline)
      usleep(10_000)
    }
  }

  private var rows: Int {
    let bytes = try? FileSystem.readAll(small.folder.path("cut/metrics.jsonl"))
    return (bytes ?? []).count { $0 == UInt8(ascii: "\n") }
  }
}
