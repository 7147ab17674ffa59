import Configuration
import DialogueData
import JobControl
import NeuralNet
import TensorCore
import Training

/// Times training steps whose batch is cut into fixed micro-batches, the price of the same bits at
/// every rank count.
struct MicroBatchBenchmark {
  /// The numbers of micro-batches that are compared.
  static let counts = [1, 2, 4, 8]

  private let split: Split
  private let batches: [[GlobalBatch]]
  private let trainingStep: TrainingStep

  /// For one rank, which computes all micro-batches of a step.
  ///
  /// - Parameters:
  ///   - batches: the dialogues of each step.
  ///   - split: the split they belong to.
  ///   - configuration: of the model and its optimizer.
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
  /// The counts take turns at every step, so that a busy moment of the machine meets all of them.
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
  /// The training step of a benchmark: the configuration's model for the features of a split.
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
