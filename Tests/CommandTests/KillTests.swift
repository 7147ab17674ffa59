import Checkpointing
import Files
import Foundation
import Glibc
import TensorCore
import TestSupport
import Testing

/// Real runs whose processes are killed in many places and that go on at other rank counts.
@Suite("Commands: kills", .timeLimit(.minutes(10)))
struct KillTests {
  private let small: SmallRun

  init() throws { small = try SmallRun() }

  private static let settings = [
    "--set", "train.microBatches=8", "--set", "checkpoint.everySteps=2", "--set",
    "train.epochs=6", "--threads", "1",
  ]

  /// A place where one rank sleeps, so that the run cannot end before it is killed.
  private struct Stop {
    let ranks: Int
    /// The place, in the form of an injected fault.
    let place: String
    let step: Int
    /// What shows that the run has come near the place.
    let sign: Sign
    /// The rank that is killed; nil for the launcher.
    let victim: Int?
  }

  private enum Sign {
    /// The row of a step in the metrics.
    case row(step: Int)
    /// A part of a step's checkpoint.
    case partOfCheckpoint(step: Int)
  }

  /// In the order of their steps.
  ///
  /// A row of step 6 shows that there is a checkpoint: the save after step 4 waits for the one after
  /// step 2.
  private static let stops = [
    Stop(ranks: 4, place: "backward,rank=3", step: 7, sign: .row(step: 6), victim: 1),
    Stop(ranks: 1, place: "update,rank=0", step: 11, sign: .row(step: 10), victim: nil),
    Stop(
      ranks: 2, place: "write,byte=2000,rank=0", step: 16, sign: .partOfCheckpoint(step: 16),
      victim: 0),
    Stop(ranks: 8, place: "allreduce,rank=0", step: 19, sign: .row(step: 18), victim: nil),
    Stop(ranks: 2, place: "evaluate,rank=1", step: 24, sign: .row(step: 24), victim: 1),
    Stop(ranks: 4, place: "save,rank=0", step: 32, sign: .row(step: 32), victim: nil),
  ]

  @Test("Killed again and again and resumed at other rank counts, a run leaves the same")
  func killed() throws {
    let whole = try small.train("whole", Self.settings, ranks: 2)
    try #require(whole.status == 0, "\(whole.errors)")
    for (index, stop) in Self.stops.enumerated() { try kill(at: stop, isResumed: index > 0) }
    let last = try small.train("cut", Self.settings + ["--resume", "auto"], ranks: 4)
    try #require(last.status == 0, "\(last.errors)")
    #expect(last.output.hasSuffix(whole.output))
    #expect(try small.metrics("cut") == small.metrics("whole"))
    #expect(try small.text("cut/samples.jsonl") == small.text("whole/samples.jsonl"))
    try small.expectNoTemporaryFiles("cut")
    for file in ["checkpoints/step-00000036", "best"] {
      let hashes = try ["whole", "cut"].map {
        try Checkpoint(path: small.folder.path("\($0)/\(file).safetensors.zst")).text("sha256")
      }
      #expect(hashes[0] == hashes[1], "\(file)")
    }
  }

  /// Starts or resumes the run and kills a rank or the launcher when the sign of its stop is there.
  private func kill(at stop: Stop, isResumed: Bool) throws {
    let run = try LiveProgram(
      [
        "train", "--config", small.configuration, "--data", small.data, "--output",
        small.folder.path("cut"), "--log-samples", "--resume", "auto", "--inject-fault",
        "sleep:1000@\(stop.place),step=\(stop.step)",
      ] + Self.settings, ranks: stop.ranks)
    // The run before may have left a sign, which goes when the folder is opened.
    try run.wait { !isResumed || run.errors.contains("going on after step") }
    try run.wait { isThere(stop.sign) }
    let processes = run.ranks
    try #require(processes.count == stop.ranks)
    Glibc.kill(stop.victim.map { processes[$0] } ?? run.launcher, SIGKILL)
    #expect(try run.finish() != 0)
    // Ranks whose launcher is gone end by themselves, but not at once.
    try wait { processes.allSatisfy { !FileSystem.exists("/proc/\($0)/exe") } }
  }

  private func isThere(_ sign: Sign) -> Bool {
    switch sign {
    case .row(let step):
      (try? small.text("cut/metrics.jsonl"))?.contains("\"step\":\(step),") == true
    case .partOfCheckpoint(let step):
      ((try? FileSystem.list(small.folder.path("cut/checkpoints"))) ?? []).contains {
        $0.contains("-000000\(step).") && $0.hasSuffix(".tmp")
      }
    }
  }

  private func wait(until condition: () -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while !condition() {
      try #require(ContinuousClock.now < deadline)
      usleep(2000)
    }
  }
}
