import Files
import Foundation
import Glibc
import TensorCore
import TestSupport
import Testing

/// Faults of one rank of a job: all ranks end, with one exit code and one message.
///
/// A job that does not end by itself is killed after some minutes, with another exit code.
@Suite("Commands: faults", .serialized, .timeLimit(.minutes(10)))
struct FaultTests {
  private let small: SmallRun

  init() throws { small = try SmallRun() }

  /// The time without progress after which the job is ended.
  private static let stallLimit = ["--set", "train.stallSeconds=4"]

  private func job(
    _ fault: String?, ranks: Int? = 3, output: String = "run", _ arguments: [String] = [],
    environment: [String: String] = [:]
  ) throws -> Program {
    let faults = fault.map { ["--inject-fault", $0] } ?? []
    return try small.train(
      output, faults + Self.stallLimit + arguments, ranks: ranks, environment: environment)
  }

  /// The error messages of the program on standard error.
  private func messages(_ run: Program) -> [String] {
    run.errors.split(separator: "\n").filter { $0.hasPrefix("dferc-dist") }.map(String.init)
  }

  private static let phases: [(fault: String, place: String)] = [
    ("load", "load"), ("open", "open"), ("plan,step=2", "step 2, plan"),
    ("load,step=2", "step 2, load"), ("forward,step=2", "step 2, forward"),
    ("losses,step=2", "step 2, losses"), ("sums,step=2", "step 2, sums"),
    ("backward,step=2", "step 2, backward"), ("allreduce,step=2", "step 2, allreduce"),
    ("update,step=2", "step 2, update"), ("log,step=2", "step 2, log"),
    ("evaluate,step=6", "step 6, evaluate"), ("compare,step=4", "step 4, compare"),
    ("save,step=4", "step 4, save"),
  ]

  @Test("An error in any phase ends all ranks, printed once with rank and phase", arguments: phases)
  func errors(fault: String, place: String) throws {
    for rank in [1, 0] {
      let run = try job("throw@\(fault),rank=\(rank)", output: "rank\(rank)")
      #expect(run.status == 70, "\(run.errors)")
      #expect(messages(run).count == 1, "\(run.errors)")
      #expect(
        messages(run).first?.hasPrefix(
          "dferc-dist: rank \(rank), \(place): this is a bug in dferc-dist: an injected error.")
          == true, "\(run.errors)")
    }
  }

  @Test("An error of all ranks at once is printed once, by rank 0")
  func errorEverywhere() throws {
    let run = try job("throw@backward,step=3")
    #expect(run.status == 70, "\(run.errors)")
    #expect(messages(run).count == 1, "\(run.errors)")
    #expect(messages(run).first?.hasPrefix("dferc-dist: rank 0, step 3, backward: ") == true)
  }

  @Test("Of several ranks with different errors, one prints its error")
  func severalErrors() throws {
    let run = try job(
      "throw@backward,rank=1,step=3", ranks: 4,
      ["--inject-fault", "throw@backward,rank=2,step=3", "--inject-fault", "throw@backward,rank=3"])
    #expect(run.status == 70, "\(run.errors)")
    #expect(messages(run).count == 1, "\(run.errors)")
  }

  @Test("A run without mpirun reports step and phase")
  func alone() throws {
    let failed = try job("throw@update,step=3", ranks: nil)
    #expect(failed.status == 70)
    #expect(messages(failed).first?.hasPrefix("dferc-dist: step 3, update: ") == true)
    let hung = try job("sleep:1000@log,step=5", ranks: nil, ["--resume", "auto"])
    #expect(hung.status == 80)
    #expect(
      messages(hung).first?.hasPrefix("dferc-dist: rank 0, step 5, log: no progress for 4 s. ")
        == true, "\(hung.errors)")
  }

  private static let stalls: [(fault: String, place: String, reason: String)] = [
    ("stop@forward,rank=1,step=3", "rank 1, step 3, forward", "no heartbeat from it"),
    ("stop@backward,rank=0,step=3", "rank 0, step 3, backward", "no heartbeat from it"),
    ("stop@save,rank=0,step=4", "rank 0, step 4, save", "no heartbeat from it"),
    (
      "sleep:1000@backward,rank=2,step=3", "rank 2, step 3, backward",
      "while 2 others wait in the sum of gradients"
    ),
    ("sleep:1000@load,rank=1", "rank 1, load", "while 2 others wait in"),
    ("sleep:1000@evaluate,rank=1,step=6", "rank 1, step 6, evaluate", "while 2 others wait in"),
    ("finalize@update,rank=1,step=3", "rank 1, step 3, finish", "it has finished"),
    ("finalize@update,rank=0,step=3", "rank 0, step 3, finish", "it has finished"),
  ]

  @Test("A stalled rank is named, and the job is ended", arguments: stalls)
  func stalledRank(fault: String, place: String, reason: String) throws {
    let run = try job(fault)
    #expect(run.status == 80, "\(run.errors)")
    #expect(messages(run).count == 1, "\(run.errors)")
    #expect(messages(run).first?.hasPrefix("dferc-dist: \(place): ") == true, "\(run.errors)")
    #expect(messages(run).first?.contains(reason) == true, "\(run.errors)")
  }

  @Test("If both observers are stopped, another rank ends the job")
  func observers() throws {
    let run = try job(
      "stop@forward,rank=0,step=3", ["--inject-fault", "stop@forward,rank=1,step=3"])
    #expect(run.status == 80, "\(run.errors)")
    #expect(messages(run).count == 1, "\(run.errors)")
    #expect(
      messages(run).first?.contains("no message reaches rank 0 or rank 1") == true,
      "\(run.errors)")
  }

  @Test("A process that exits silently is named, if the launcher allows it to exit")
  func earlyExit() throws {
    let run = try job(
      "exit@update,rank=1,step=3", environment: ["OMPI_MCA_orte_allowed_exit_without_sync": "1"])
    #expect(run.status == 80, "\(run.errors)")
    #expect(
      messages(run).first?.hasPrefix(
        "dferc-dist: rank 1, step 3, update: its process has ended without reporting an error. ")
        == true,
      "\(run.errors)")
  }

  @Test(
    "A save that makes no progress ends the job", arguments: ["save,step=4", "write,byte=1000"])
  func hungSave(place: String) throws {
    let run = try job("sleep:1000@\(place),rank=0", ["--set", "checkpoint.stallSeconds=5"])
    #expect(run.status == 80, "\(run.errors)")
    #expect(messages(run).count == 1, "\(run.errors)")
    #expect(messages(run).first?.hasPrefix("dferc-dist: rank 0, step ") == true, "\(run.errors)")
    #expect(messages(run).first?.contains(", save: ") == true, "\(run.errors)")
  }

  @Test("A save that makes progress may take longer than every stall limit")
  func slowSave() throws {
    let pauses = [100, 200, 300, 400].map { "sleep:2@write,byte=\($0),rank=0" }
    let run = try small.train(
      "run",
      pauses.flatMap { ["--inject-fault", $0] } + Self.stallLimit + [
        "--set", "checkpoint.stallSeconds=4", "--set", "train.maxSteps=4",
      ], ranks: 3)
    #expect(run.status == 0, "\(run.errors)")
    #expect(messages(run) == [])
  }

  /// Compares replicas at every third step only; saves, which compare too, are rare.
  private static let comparisons = [
    "--set", "train.replicaCheckSteps=3", "--set", "checkpoint.everySteps=100",
  ]

  private func expectDisagreement(_ run: Program, _ message: String) {
    #expect(run.status == 76, "\(run.errors)")
    #expect(messages(run).first?.hasPrefix("dferc-dist: \(message)") == true, "\(run.errors)")
    #expect(messages(run).count == 1, "\(run.errors)")
  }

  @Test("Diverged replicas are found at the next comparison, with rank and tensor")
  func divergence() throws {
    // A wrong gradient has another norm, so that clipping changes all parameters.
    let run = try job("flip@allreduce,rank=3,step=4", ranks: 4, Self.comparisons)
    expectDisagreement(
      run, "step 6: rank 3 holds other bits of input.text.weight than the other ranks. ")
    let two = try job("flip@allreduce,rank=0,step=6", ranks: 2, output: "two", Self.comparisons)
    expectDisagreement(
      two, "step 6: rank 0 and rank 1 hold different bits of input.text.weight, and nothing tells")
  }

  @Test("A flipped bit in memory is found by the next update, for any rank count, sharded or not")
  func flippedBit() throws {
    let found = "classifier.bias is not what the step before has left in memory. "
    let whole = try job("flip@update,rank=3,step=4", ranks: 4, Self.comparisons)
    expectDisagreement(whole, "rank 3, step 5, update: \(found)")
    let alone = try job("flip@update,step=4", ranks: nil, output: "alone", Self.comparisons)
    expectDisagreement(alone, "step 5, update: \(found)")
    let sharded = Self.comparisons + ["--set", "optimizer.sharded=true"]
    // The last elements belong to the last rank.
    let own = try job("flip@update,rank=2,step=4", output: "sharded", sharded)
    expectDisagreement(own, "rank 2, step 5, update: \(found)")
  }

  @Test("With a sharded optimizer, the replicated tensors are compared")
  func shards() throws {
    let arguments = [
      "--set", "train.replicaCheckSteps=1", "--set", "optimizer.sharded=true", "--set",
      "checkpoint.everySteps=100",
    ]
    let run = try job("flip@update,rank=2,step=5", arguments)
    expectDisagreement(run, "step 5: rank 2 holds other bits of classifier.bias")
  }

  @Test("A rank that is missing at the start ends the job", arguments: ["train", "evaluate"])
  func missingAtTheStart(command: String) throws {
    let wrapper = small.folder.path("late.sh")
    try FileSystem.write(
      """
      #!/bin/sh
      [ "$OMPI_COMM_WORLD_RANK" = 1 ] && exec sleep 100
      exec "$@"
      """, to: wrapper)
    let arguments =
      command == "train"
      ? ["--output", small.folder.path("run")] : ["--checkpoint", "none", "--data", small.data]
    let run = try Program(
      [command] + arguments, ranks: 3, wrapper: ["sh", wrapper],
      environment: ["DFERC_STALL_SECONDS": "2"])
    #expect(run.status == 80, "\(run.errors)")
    #expect(messages(run).count == 1, "\(run.errors)")
    #expect(run.errors.contains("start: the ranks have not reached one another within 2 seconds"))
  }

  @Test("Before the configuration is read, DFERC_STALL_SECONDS is the limit")
  func stoppedAtTheStart() throws {
    let run = try Program(
      [
        "train", "--config", small.configuration, "--data", small.data, "--output",
        small.folder.path("run"), "--inject-fault", "stop@start,rank=1",
      ], ranks: 3, environment: ["DFERC_STALL_SECONDS": "2"])
    #expect(run.status == 80, "\(run.errors)")
    #expect(
      messages(run).first?.hasPrefix("dferc-dist: rank 1, start: no progress for ") == true,
      "\(run.errors)")
    let usage = try Program(
      ["train", "--output", small.folder.path("run")], environment: ["DFERC_STALL_SECONDS": "0"])
    #expect(usage.status == 64 && usage.errors.contains("DFERC_STALL_SECONDS: \"0\" is no number"))
  }

  @Test("A malformed fault is a usage error")
  func syntax() throws {
    let run = try Program("train", "--inject-fault", "thorw@save")
    #expect(run.status == 64)
    #expect(run.errors.contains("there is no kind thorw. Choose one of throw, exit"))
  }
}

/// Jobs whose processes are stopped by signals.
@Suite("Commands: stopped processes", .serialized, .timeLimit(.minutes(5)))
struct StoppedProcessTests {
  private let small: SmallRun

  init() throws { small = try SmallRun() }

  /// Starts a run of three ranks that outlasts every test.
  private func start() throws -> LiveProgram {
    try LiveProgram(
      [
        "train", "--config", small.configuration, "--data", small.data, "--output",
        small.folder.path("run"), "--set", "train.epochs=100000", "--threads", "1", "--set",
        "train.stallSeconds=4", "--set", "checkpoint.everySteps=100000",
      ], ranks: 3)
  }

  private var rows: Int {
    let bytes = try? FileSystem.readAll(small.folder.path("run/metrics.jsonl"))
    return (bytes ?? []).count { $0 == UInt8(ascii: "\n") }
  }

  @Test("A rank that is stopped by a signal is named", arguments: [0, 1, 2])
  func one(rank: Int) throws {
    let run = try start()
    try run.wait { rows >= 3 }
    kill(run.ranks[rank], SIGSTOP)
    #expect(try run.finish() == 80, "\(run.errors)")
    let lines = run.errors.split(separator: "\n").filter { $0.hasPrefix("dferc-dist") }
    #expect(lines.count == 1, "\(run.errors)")
    let pattern = /dferc-dist: rank (\d), step \d+, [a-z]+: no progress for \d+ s/
    #expect(lines.first?.prefixMatch(of: pattern)?.output.1 == "\(rank)", "\(run.errors)")
  }

  @Test("A job whose ranks are all stopped and continued goes on")
  func all() throws {
    let run = try start()
    try run.wait { rows >= 3 }
    let ranks = run.ranks
    for rank in ranks { kill(rank, SIGSTOP) }
    let before = rows
    Thread.sleep(forTimeInterval: 7)
    for rank in ranks.reversed() { kill(rank, SIGCONT) }
    try run.wait { rows > before + 20 }
    kill(run.launcher, SIGUSR1)
    #expect(try run.finish() == 75, "\(run.errors)")
    #expect(!run.errors.contains("no progress"), "\(run.errors)")
  }

  @Test("A rank ends by itself if its launcher is stopped")
  func launcherIsStopped() throws {
    let run = try start()
    try run.wait { rows >= 3 }
    let ranks = run.ranks
    kill(run.launcher, SIGSTOP)
    kill(ranks[1], SIGSTOP)
    // Rank 0 remains a zombie until the launcher is continued.
    try run.wait { Self.hasEnded(ranks[0]) }
    #expect(!Self.hasEnded(ranks[1]))
    kill(run.launcher, SIGCONT)
    #expect(try run.finish() == 80, "\(run.errors)")
  }

  private static func hasEnded(_ pid: Int32) -> Bool {
    guard let text = KernelFile.text("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")")
    else { return true }
    return text[end...].split(separator: " ")[1] == "Z"
  }
}
