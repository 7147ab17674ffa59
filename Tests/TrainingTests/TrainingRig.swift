import Checkpointing
import DialogueData
import Foundation
import Synchronization
import TensorCore
import TestSupport
import Testing

@testable import DataParallel
@testable import Training

/// Whole runs of a small model inside the test's process, on ranks that are threads.
struct TrainingRig {
  let folder: TemporaryFolder
  private let configuration: ResolvedConfiguration

  /// 208 dialogues to train on, so that 6 steps of 36 make an epoch, the last with fewer; two and
  /// more groups of dialogues to score.
  ///
  /// - Parameter settings: given as by `--set`.
  init(_ settings: [String: String] = [:]) throws {
    folder = try TemporaryFolder()
    let corpus = SyntheticCorpus(seed: 42, options: SyntheticCorpus.Options(scale: 0.2))
    try corpus.write(to: folder.path("data"))
    let small = [
      "model.width": "12", "model.alignmentWidth": "10", "model.contextHidden": "8",
      "optimizer.warmupSteps": "5", "optimizer.learningRate": "0.01", "train.epochs": "2",
      "train.dialoguesPerBatch": "36", "checkpoint.everySteps": "4", "checkpoint.keepLast": "100",
    ]
    configuration = try ResolvedConfiguration(
      overrides: small.merging(settings) { $1 }.sorted { $0.key < $1.key }
        .map { try #require(ConfigurationOverride("\($0.key)=\($0.value)")) },
      data: folder.path("data"))
  }

  /// What came of a run, and how often it asked whether it should stop.
  struct Ending {
    let isFinished: Bool
    let step: Int
    let polls: Int
  }

  /// Trains into a folder of its own, from the beginning or from its newest checkpoint.
  ///
  /// - Parameters:
  ///   - output: the name of the run folder.
  ///   - ranks: how many.
  ///   - lastPoll: the last rank is asked to stop when it looks for the so-manieth time.
  ///   - body: what is done with each rank's trainer; by default it runs.
  func train(
    _ output: String, ranks: Int = 1, stoppingAtPoll lastPoll: Int = .max,
    _ body: @escaping @Sendable (Trainer) throws -> RunEnding = { try $0.run() }
  ) throws -> Ending {
    let path = folder.path(output)
    let configuration = configuration
    let endings = try LoopbackCollective.run(ranks: ranks) { collective in
      let polls = Polls(collective.rank == ranks - 1 ? lastPoll : .max)
      let team = Self.team(collective, polls)
      let data = try #require(try LoadedData(configuration))
      let request = TrainRequest(output: path, resume: .auto, logsSamples: true)
      let session = try TrainingSession(request, configuration, data, team)
      if case .finished = session.start { return Ending(isFinished: true, step: 0, polls: 0) }
      let trainer = try Trainer(
        team: team, configuration: configuration.configuration, data: data,
        recorder: session.recorder, groupLimit: nil)
      if case .resumed = session.start { try trainer.resume(from: session.checkpoint) }
      let ending = try body(trainer)
      let isFinished = if case .finished = ending { true } else { false }
      return Ending(isFinished: isFinished, step: trainer.progress.step, polls: polls.count)
    }
    return try #require(endings.last)
  }

  private static func team(_ collective: LoopbackCollective, _ polls: Polls) -> RankTeam {
    let share = ProcessorShare.ofSoloProgram(threads: 1, variables: [:])
    let silent = Terminal(isInteractive: false) { _ in }
    let world = ParallelWorld(collective, share, [], nil, nil)
    return RankTeam(
      world: world, agreement: Agreement(world.collective),
      log: RunLog(rank: collective.rank, terminal: silent),
      tracker: PhaseTracker(world, faults: []), isStopRequested: { polls.next() })
  }

  /// Counts how often a rank looks for a request to stop, which comes at one of the looks.
  private final class Polls: Sendable {
    private let limit: Int
    private let made = Mutex(0)

    init(_ limit: Int) { self.limit = limit }

    var count: Int { made.withLock { $0 } }

    func next() -> Bool {
      made.withLock { made in
        made += 1
        return made >= limit
      }
    }
  }
}

// MARK: - What a run leaves behind

extension TrainingRig {
  /// Everything of a run that must not depend on its interruptions.
  struct Traces: Equatable {
    let metrics: [MetricsRow]
    let table: [String]
    let samples: String
    let tensors: String
    let best: String
    let result: RunResult
  }

  func traces(_ output: String, lastStep: Int) throws -> Traces {
    let path = folder.path(output)
    let store = CheckpointStore(folder: path, keepLast: 1)
    let last = try Checkpoint(path: store.path(ofStep: lastStep))
    var result = try JSONDecoder().decode(
      RunResult.self, from: Data(try FileSystem.readAll("\(path)/result.json")))
    (result.timeTotal, result.environment) = (0, [:])
    return Traces(
      metrics: try JSONLines<MetricsRow>.read("\(path)/metrics.jsonl").map(Self.timeless),
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
      !$0.key.rawValue.hasPrefix("time_") && !$0.key.rawValue.hasSuffix("_per_second")
    }
    return MetricsRow(event: row.event, epoch: row.epoch, step: row.step, values: kept)
  }

  /// Files that were never finished.
  func temporaryFiles(_ output: String) throws -> [String] {
    let path = folder.path(output)
    return try (FileSystem.list(path) + FileSystem.list("\(path)/checkpoints"))
      .filter { $0.hasSuffix(".tmp") }
  }
}
