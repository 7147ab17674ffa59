import Checkpointing
import Configuration
import DialogueData
import Files
import Foundation
import RunRecords
import Synchronization
import TensorCore
import TestSupport
import Testing

@testable import DataParallel
@testable import JobControl
@testable import Training

/// Whole runs of a small model in the process of the test, with threads as ranks.
struct TrainingRig {
  let folder: TemporaryFolder
  private let configuration: ResolvedConfiguration

  /// Writes a corpus with 208 training dialogues: 6 steps of 36 an epoch, the last with fewer, and
  /// two or more groups of dialogues in the other splits.
  ///
  /// - Parameter settings: values by key, as for `--set`.
  init(_ settings: [String: String] = [:]) throws {
    folder = try TemporaryFolder()
    let corpus = SyntheticCorpus(seed: 42, options: SyntheticCorpus.Options(scale: 0.2))
    try corpus.write(to: folder.path("data"))
    configuration = try Self.configuration(settings, data: folder.path("data"))
  }

  private static func configuration(
    _ settings: [String: String], data: String
  ) throws -> ResolvedConfiguration {
    let small = [
      "model.width": "12", "model.alignmentWidth": "10", "model.contextHidden": "8",
      "optimizer.warmupSteps": "5", "optimizer.learningRate": "0.01", "train.epochs": "2",
      "train.microBatches": "4",
      "train.dialoguesPerBatch": "36", "checkpoint.everySteps": "4", "checkpoint.keepLast": "100",
    ]
    return try ResolvedConfiguration(
      overrides: small.merging(settings) { $1 }.sorted { $0.key < $1.key }
        .map { try #require(ConfigurationOverride("\($0.key)=\($0.value)")) },
      data: data)
  }

  /// Trains from the newest checkpoint of a run folder, or from the first step.
  ///
  /// - Parameters:
  ///   - output: the name of the run folder.
  ///   - lastPoll: the poll of the last rank, from 1, at which a stop is requested.
  ///   - faults: the faults to inject, as for `--inject-fault`.
  ///   - atPoll: called with the number of every poll of the last rank; it polls between tasks and
  ///     between groups of dialogues that are scored.
  func train(
    _ output: String, ranks: Int = 1, stoppingAtPoll lastPoll: Int = .max, faults: [String] = [],
    atPoll: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws -> Ending {
    let polls = Polls(lastPoll, atPoll)
    let lines = Lines()
    let endings = try withTrainers(
      output, ranks: ranks, faults: faults, polls: polls, lines: lines
    ) { trainer in
      let result = try trainer.run()
      return Ending(isFinished: result != nil, step: trainer.progress.step)
    }
    var ending = endings[ranks - 1] ?? Ending(isFinished: true)
    (ending.polls, ending.log) = (polls.count, lines.text)
    return ending
  }

  /// Runs configurations one after another on the same ranks.
  ///
  /// - Parameter runs: for each run, the name of its folder and its settings, as for `--set`.
  /// - Returns: the endings of the runs, for each rank.
  func trainInTurn(
    _ runs: [(output: String, settings: [String: String])], ranks: Int,
    predicting splits: [SplitName]
  ) throws -> [[TrainingRun.Ending]] {
    let resolved = try runs.map { try Self.configuration($0.settings, data: folder.path("data")) }
    let paths = runs.map { folder.path($0.output) }
    return try LoopbackCollective.run(ranks: ranks) { collective in
      let team = Self.team(collective)
      try team.watch(limits: .never)
      let endings = try zip(paths, resolved).map { path, resolved in
        try TrainingRun(RunRequest(output: path, resume: .auto), team: team)
          .run(resolved, predicting: splits)
      }
      try team.world.finish()
      return endings
    }
  }

  /// Opens a run on every rank and calls a function with its trainer.
  ///
  /// - Returns: the value for each rank; nil for a run that had finished already.
  func withTrainers<Result: Sendable>(
    _ output: String, ranks: Int, faults: [String] = [], polls: Polls = Polls(.max) { _ in },
    lines: Lines = Lines(), _ body: @escaping @Sendable (Trainer) throws -> Result
  ) throws -> [Result?] {
    let (path, configuration) = (folder.path(output), configuration)
    let faults = try faults.map { try Fault($0) }
    return try LoopbackCollective.run(ranks: ranks) { collective in
      let isLast = collective.rank == ranks - 1
      let team = Self.team(collective, isLast ? polls : Polls(.max) { _ in }, lines, faults)
      let data = try #require(try LoadedData(configuration))
      let request = RunRequest(output: path, resume: .auto, logsSamples: true)
      let session = try TrainingSession(request, configuration, data, team)
      if case .finished = session.start { return nil }
      let trainer = try Trainer(
        team: team, configuration: configuration.configuration, data: data,
        recorder: session.recorder, groupLimit: nil)
      if case .resumed = session.start { try trainer.resume(from: session.checkpoint) }
      return try body(trainer)
    }
  }

  /// The message of the error that the trainers of a run throw; empty without an error.
  func message(
    _ output: String, ranks: Int, _ body: @escaping @Sendable (Trainer) throws -> Void
  ) throws -> String {
    do {
      _ = try withTrainers(output, ranks: ranks, body)
      return ""
    } catch let error as TrainingError {
      return "\(error)"
    }
  }

  /// The end of a run, the number of its polls for a stop request, and its log.
  struct Ending {
    let isFinished: Bool
    var step = 0
    var polls = 0
    var log = ""
  }

  /// The team of one rank of a loopback collective, without output.
  static func team(_ collective: LoopbackCollective) -> RankTeam {
    team(collective, Polls(.max) { _ in }, Lines(), [])
  }

  /// The team of a single rank, without output.
  static func soloTeam() -> RankTeam {
    let share = ProcessorShare.ofSoloProgram(threads: 1, variables: [:])
    let world = ParallelWorld(SoloCollective(), share, [], nil, nil)
    return RankTeam(
      world: world, agreement: Agreement(world.collective),
      log: RunLog(rank: 0, terminal: Terminal(isInteractive: false) { _ in }),
      tracker: PhaseTracker(world, faults: []), isStopRequested: { false })
  }

  private static func team(
    _ collective: LoopbackCollective, _ polls: Polls, _ lines: Lines, _ faults: [Fault]
  ) -> RankTeam {
    let share = ProcessorShare.ofSoloProgram(threads: 1, variables: [:])
    let terminal = Terminal(isInteractive: false) { lines.add($0) }
    let world = ParallelWorld(collective, share, [], nil, nil)
    return RankTeam(
      world: world, agreement: Agreement(world.collective),
      log: RunLog(rank: collective.rank, terminal: terminal),
      tracker: PhaseTracker(world, faults: faults), isStopRequested: { polls.next() })
  }

  /// Counts the polls of a rank for a stop request, which is made at one of them.
  final class Polls: Sendable {
    private let limit: Int
    private let action: @Sendable (Int) -> Void
    private let made = Mutex(0)

    init(_ limit: Int, _ action: @escaping @Sendable (Int) -> Void) {
      self.limit = limit
      self.action = action
    }

    var count: Int { made.withLock { $0 } }

    func next() -> Bool {
      let number = made.withLock { made in
        made += 1
        return made
      }
      action(number)
      return number >= limit
    }
  }

  /// The output of all ranks.
  final class Lines: Sendable {
    private let written = Mutex("")

    var text: String { written.withLock { $0 } }

    func add(_ line: String) { written.withLock { $0 += line } }
  }
}

// MARK: - Outputs

extension TrainingRig {
  /// The outputs of a run that must not depend on interruptions.
  struct Outputs: Equatable {
    let metrics: [MetricsRow]
    let table: [String]
    let samples: String
    let tensors: String
    let best: String
    let result: RunResult
  }

  func outputs(_ output: String, lastStep: Int) throws -> Outputs {
    let path = folder.path(output)
    let store = CheckpointStore(folder: path, keepLast: 1)
    let last = try Checkpoint(path: store.path(ofStep: lastStep))
    var result = try JSONDecoder().decode(
      RunResult.self, from: Data(try FileSystem.readAll("\(path)/result.json")))
    (result.timeTotal, result.environment) = (0, [:])
    return Outputs(
      metrics: try JSONLines<MetricsRow>("\(path)/metrics.jsonl").values.map(Self.timeless),
      table: try text("\(path)/metrics.csv").split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).dropLast(3)
          .joined(separator: ",")
      },
      samples: try text("\(path)/samples.jsonl"), tensors: try last.text("sha256"),
      best: try store.best().text("sha256"), result: result)
  }

  private func text(_ path: String) throws -> String {
    String(decoding: try FileSystem.readAll(path), as: UTF8.self)
  }

  private static func timeless(_ row: MetricsRow) -> MetricsRow {
    let kept = row.values.filter {
      !$0.key.hasPrefix("time_") && !$0.key.hasSuffix("_per_second")
    }
    return MetricsRow(event: row.event, epoch: row.epoch, step: row.step, values: kept)
  }

  /// The temporary files that are left in a run folder.
  func temporaryFiles(_ output: String) throws -> [String] {
    let path = folder.path(output)
    return try (FileSystem.list(path) + FileSystem.list("\(path)/checkpoints"))
      .filter { $0.hasSuffix(".tmp") }
  }
}
