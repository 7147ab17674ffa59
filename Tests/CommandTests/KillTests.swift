import Checkpointing
import Files
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
    "--set", "train.microBatches=8", "--set", "checkpoint.everySteps=2", "--set",
    "train.epochs=6", "--threads", "1",
  ]

  @Test("Killed again and again and resumed at other rank counts, a run leaves the same")
  func killed() throws {
    let whole = try small.train("whole", Self.settings, ranks: 2)
    try #require(whole.status == 0, "\(whole.errors)")
    var kills = 0
    for (number, ranks) in [4, 1, 2, 8, 2, 4].enumerated()
    where try killOnce(number: number, ranks: ranks) {
      kills += 1
    }
    #expect(kills >= 3, "the run was over too soon to be killed")
    let last = try small.train("cut", Self.settings + ["--resume", "auto"], ranks: 4)
    try #require(last.status == 0, "\(last.errors)")
    #expect(last.output.hasSuffix(whole.output))
    #expect(try small.metrics("cut") == small.metrics("whole"))
    #expect(try small.text("cut/samples.jsonl") == small.text("whole/samples.jsonl"))
    let names = try FileSystem.list(small.folder.path("cut"))
    #expect(!names.contains { $0.hasSuffix(".tmp") }, "\(names)")
    for file in ["checkpoints/step-00000036", "best"] {
      let hashes = try ["whole", "cut"].map {
        try Checkpoint(path: small.folder.path("\($0)/\(file).safetensors.zst")).text("sha256")
      }
      #expect(hashes[0] == hashes[1], "\(file)")
    }
  }

  /// Starts the run and kills a rank or the launcher when a few more rows are there.
  ///
  /// - Returns: whether the run was still going on.
  private func killOnce(number: Int, ranks: Int) throws -> Bool {
    let before = rows
    let run = try LiveProgram(
      [
        "train", "--config", small.configuration, "--data", small.data, "--output",
        small.folder.path("cut"), "--log-samples", "--resume", "auto",
      ] + Self.settings, ranks: ranks)
    // The rows behind the checkpoint go when the run is opened; the file may be short for a moment.
    try wait { !run.isRunning || rows != before && rows > 0 && rows >= before + number % 3 - 1 }
    let processes = run.ranks
    let target = number.isMultiple(of: 2) ? processes.randomElement() : run.launcher
    if run.isRunning { kill(target ?? run.launcher, SIGKILL) }
    let status = try run.finish()
    // Ranks whose launcher is gone end by themselves, but not at once.
    try wait { processes.allSatisfy { !FileSystem.exists("/proc/\($0)/exe") } }
    return status != 0
  }

  private func wait(until isSo: () -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while !isSo() {
      try #require(ContinuousClock.now < deadline)
      usleep(2000)
    }
  }

  private var rows: Int {
    let bytes = try? FileSystem.readAll(small.folder.path("cut/metrics.jsonl"))
    return (bytes ?? []).count { $0 == UInt8(ascii: "\n") }
  }
}
