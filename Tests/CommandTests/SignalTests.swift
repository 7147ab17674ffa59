import Checkpointing
import Files
import Foundation
import Glibc
import TensorCore
import TestSupport
import Testing

/// Signals to runs, to `mpirun` and to single ranks.
@Suite("Commands: signals", .timeLimit(.minutes(5)))
struct SignalTests {
  private let small: SmallRun

  init() throws { small = try SmallRun() }

  /// Starts a run that outlasts every test.
  private func start(
    _ output: String, ranks: Int? = nil, _ arguments: [String] = []
  ) throws -> LiveProgram {
    try LiveProgram(
      [
        "train", "--config", small.configuration, "--data", small.data, "--output",
        small.folder.path(output), "--log-samples", "--set", "train.epochs=100000", "--set",
        "checkpoint.everySteps=100000", "--threads", "1",
      ] + arguments, ranks: ranks)
  }

  private func waitForRows(_ count: Int, of run: LiveProgram, _ output: String) throws {
    try run.wait { rows(output) >= count }
  }

  private func rows(_ output: String) -> Int {
    let bytes = try? FileSystem.readAll(small.folder.path("\(output)/metrics.jsonl"))
    return (bytes ?? []).count { $0 == UInt8(ascii: "\n") }
  }

  private func steps(_ output: String) throws -> [Int] {
    try CheckpointStore(folder: small.folder.path(output), keepLast: 1).steps()
  }

  /// Checks that a stopped run has saved exactly the last step in its metrics.
  private func expectLastStepSaved(_ output: String, _ run: LiveProgram) throws {
    let saved = try steps(output)
    let trained = try small.metrics(output).count { $0.contains("\"train\"") }
    #expect(saved == [trained], "\(run.errors)")
    let line = run.errors.split(separator: "\n").last { $0.hasPrefix("stopped on request") }
    #expect(line?.contains("after step \(trained) of ") == true, "\(run.errors)")
    #expect(line?.hasSuffix("--resume auto") == true, "\(run.errors)")
    let verified = try Program("checkpoint", "verify", small.folder.path(output))
    #expect(verified.status == 0, "\(verified.output)")
  }

  @Test("Each signal to a run without mpirun saves the last step", arguments: [10, 15, 2])
  func alone(signal: Int32) throws {
    let run = try start("run")
    try waitForRows(3, of: run, "run")
    kill(run.launcher, signal)
    #expect(try run.finish() == 75, "\(run.errors)")
    try expectLastStepSaved("run", run)
    #expect(run.errors.hasSuffix("--resume auto\n"), "\(run.errors)")
  }

  @Test("SIGUSR1 to mpirun, or any signal to one rank, stops all ranks at one step")
  func underLauncher() throws {
    for (index, signal) in [SIGUSR1, SIGUSR1, SIGTERM, SIGINT].enumerated() {
      let output = "run\(index)"
      let run = try start(output, ranks: 3)
      try waitForRows(3, of: run, output)
      let ranks = run.ranks
      #expect(ranks.count == 3)
      kill(index == 0 ? run.launcher : ranks[index - 1], signal)
      #expect(try run.finish() == 75, "\(run.errors)")
      try expectLastStepSaved(output, run)
    }
  }

  @Test("A signal to one rank of eight stops all of them at one step")
  func oneOfEight() throws {
    let run = try start("run", ranks: 8, ["--set", "train.microBatches=8"])
    try waitForRows(3, of: run, "run")
    kill(run.ranks[5], SIGTERM)
    #expect(try run.finish() == 75, "\(run.errors)")
    try expectLastStepSaved("run", run)
  }

  @Test("A run stopped by a signal and resumed ends like an uninterrupted one")
  func resumed() throws {
    let whole = try small.train("whole", ["--set", "train.microBatches=4"])
    try #require(whole.status == 0, "\(whole.errors)")
    let run = try start(
      "cut", ranks: 2, ["--set", "train.epochs=3", "--set", "train.microBatches=4"])
    try waitForRows(5, of: run, "cut")
    kill(run.launcher, SIGUSR1)
    _ = try run.finish()
    let resumed = try small.train(
      "cut", ["--set", "train.microBatches=4", "--resume", "auto"], ranks: 4)
    try #require(resumed.status == 0, "\(resumed.errors)")
    #expect(try small.metrics("whole") == small.metrics("cut"))
    #expect(try small.text("whole/samples.jsonl") == small.text("cut/samples.jsonl"))
    #expect(resumed.output == whole.output)
  }

  @Test("SIGTERM to mpirun leaves valid checkpoints")
  func launcherEnds() throws {
    let run = try start("run", ranks: 2, ["--set", "checkpoint.everySteps=2"])
    try waitForRows(8, of: run, "run")
    kill(run.launcher, SIGTERM)
    _ = try run.finish()
    let verified = try Program("checkpoint", "verify", small.folder.path("run"))
    #expect(verified.status == 0, "\(verified.output)")
    #expect(try steps("run").count > 1)
  }

  @Test("A signal while the data are loaded ends the run before its first step", arguments: [1, 2])
  func loading(ranks: Int) throws {
    let run = try LiveProgram(
      ["train", "--output", small.folder.path("run"), "--threads", "1"],
      ranks: ranks == 1 ? nil : ranks)
    try run.wait { ranks == 1 || run.ranks.count == ranks }
    let target = ranks == 1 ? run.launcher : run.ranks[1]
    try run.waitUntilSignalsAreCaught(by: target)
    kill(target, SIGTERM)
    #expect(try run.finish() == 75, "\(run.errors)")
    #expect(run.errors.contains("before the first step; nothing was trained"), "\(run.errors)")
  }

  @Test("A signal during the validation saves the step before it; resuming repeats the validation")
  func evaluation() throws {
    let large = small.folder.path("large")
    let made = try Program("data", "synthesize", "--output", large, "--scale", "2")
    try #require(made.status == 0, "\(made.errors)")
    for name in ["jsonl", "safetensors"] {
      let source = try FileSystem.readAll("\(large)/validation.\(name)")
      try FileSystem.write(source, to: small.folder.path("data/validation.\(name)"))
    }
    let run = try start(
      "run", ranks: 2, ["--set", "train.maxSteps=1", "--set", "model.contextHidden=200"])
    try waitForRows(1, of: run, "run")
    kill(run.launcher, SIGUSR1)
    #expect(try run.finish() == 75, "\(run.errors)")
    #expect(rows("run") == 1, "\(run.errors)")
    #expect(try steps("run") == [1])
    let resumed = try small.train(
      "run",
      [
        "--set", "train.maxSteps=1", "--set", "model.contextHidden=200", "--set",
        "train.epochs=100000", "--resume", "auto",
      ])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(rows("run") == 3)
  }

  @Test("A second signal ends a rank at once; one that is delivered twice does not")
  func secondSignal() throws {
    let run = try start("run", ranks: 2)
    try waitForRows(3, of: run, "run")
    let ranks = run.ranks
    // Rank 0 then waits for rank 1 and cannot stop in good order.
    kill(ranks[1], SIGSTOP)
    kill(ranks[0], SIGUSR1)
    usleep(300_000)
    #expect(kill(ranks[0], 0) == 0)
    kill(ranks[0], SIGUSR1)
    #expect(try run.finish() != 75)
    let doubled = try start("doubled")
    try waitForRows(3, of: doubled, "doubled")
    kill(doubled.launcher, SIGUSR1)
    kill(doubled.launcher, SIGTERM)
    #expect(try doubled.finish() == 75, "\(doubled.errors)")
  }

  @Test("A signal that the launcher forwards is not a second signal")
  func forwarded() throws {
    let run = try start("run", ["--inject-fault", "sleep:1@save"])
    try waitForRows(3, of: run, "run")
    let sender = Process()
    sender.executableURL = URL(fileURLWithPath: "/bin/sh")
    sender.arguments = ["-c", "kill -TERM \(run.launcher)"]
    try sender.run()
    sender.waitUntilExit()
    usleep(300_000)
    // This process is the parent of the run, as a launcher is.
    kill(run.launcher, SIGTERM)
    #expect(try run.finish() == 75, "\(run.errors)")
    try expectLastStepSaved("run", run)
  }

  @Test("A dataset that is truncated during the run ends it with a message", arguments: [nil, 2])
  func shortenedData(ranks: Int?) throws {
    let run = try start("run", ranks: ranks)
    try waitForRows(3, of: run, "run")
    let file = small.folder.path("data/train.safetensors")
    #expect(truncate(file, 100) == 0)
    #expect(try run.finish() == 74, "\(run.errors)")
    #expect(run.errors.contains(": a file that is being read was cut short"), "\(run.errors)")
    #expect(!run.errors.contains("received signal"), "\(run.errors)")
  }

  @Test("A dry run that an error ends keeps nothing")
  func failedDryRun() throws {
    let folder = small.folder.path("temporary")
    try FileSystem.createDirectory(folder)
    for fault in ["throw@backward", "throw@save"] {
      let run = try Program(
        [
          "train", "--config", small.configuration, "--data", small.data, "--fast-dev-run",
          "--inject-fault", fault,
        ], environment: ["TMPDIR": folder])
      #expect(run.status == 70, "\(run.errors)")
      #expect(try FileSystem.list(folder).isEmpty)
    }
  }

  @Test("A dry run that is stopped keeps nothing")
  func dryRun() throws {
    let run = try start("run", ranks: nil, ["--fast-dev-run"])
    try run.waitUntilSignalsAreCaught(by: run.launcher)
    kill(run.launcher, SIGINT)
    #expect(try run.finish() == 75, "\(run.errors)")
    #expect(run.errors.contains("a dry run keeps nothing"))
    #expect(!FileSystem.exists(small.folder.path("run")))
  }
}
