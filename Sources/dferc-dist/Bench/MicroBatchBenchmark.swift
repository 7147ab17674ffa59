import Configuration
import DialogueData
import JobControl
import NeuralNet
import TensorCore
import Training

/// Times training steps with fixed micro-batches, which reproducibility over rank counts requires.
struct MicroBatchBenchmark {
  /// The numbers of micro-batches to compare.
  static let counts = [1, 2, 4, 8]

  private let split: Split
  private let batches: [[GlobalBatch]]
  private let trainingStep: TrainingStep

  /// A benchmark on one rank, which computes all micro-batches of a step.
  ///
  /// - Parameter batches: the batch of each step, whose dialogues are cut into micro-batches anew.
  init(
    batches: [GlobalBatch], of split: Split, _ configuration: RunConfiguration, seed: UInt64,
    team: RankTeam
  ) throws {
    precondition(team.collective.size == 1, "\(team.collective.size) ranks share micro-batches")
    self.split = split
    self.batches = batches.map { batch in
      Self.counts.map {
        GlobalBatch(
          dialogues: batch.dialogues, dialogueLengths: split.dialogueLengths, microBatchCount: $0)
      }
    }
    trainingStep = try TrainingStep(
      configuration, of: split, seed: seed, options: StepOptions(products: .reproducible),
      team: team)
  }

  /// The median time of a step for each of ``counts``, in milliseconds.
  ///
  /// All counts are timed at every step, so that a change of the machine's load affects them alike.
  func run() throws -> [Double] {
    let clock = ContinuousClock()
    var times = [[Double]](repeating: [], count: Self.counts.count)
    for (step, batch) in batches.enumerated() {
      for (index, batch) in batch.enumerated() {
        let span = try clock.measure {
          _ = try trainingStep.run(batch, of: split, step: step, rateFactor: 1)
        }
        times[index].append(span / .milliseconds(1))
      }
    }
    return times.map { BenchFigures.Spread(of: $0).median }
  }
}

extension TrainingStep {
  /// A training step of the configuration's model for the features of a split; collective.
  convenience init(
    _ configuration: RunConfiguration, of split: Split, seed: UInt64, options: StepOptions,
    team: RankTeam
  ) throws {
    self.init(
      engine: try GradientEngine(
        model: configuration.model(for: split), seed: seed, options: options, team: team),
      configuration: configuration, workers: team.workers)
  }
}
