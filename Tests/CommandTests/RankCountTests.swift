import Files
import Foundation
import StallDetection
import TensorCore
import TestSupport
import Testing

/// Results that must not depend on the number of ranks, under `mpirun`.
@Suite("Commands: rank counts")
struct RankCountTests {
  private let small: SmallRun

  init() throws { small = try SmallRun() }

  /// Sums of Float32 in another order differ by some 1e-7 of their largest term; the model chains a
  /// few such sums.
  private static let tolerance = 2e-6

  @Test("Losses, gradients and prototypes of a batch agree at every rank count, dropout included")
  func step() throws {
    let reference = try Outcome(small, ranks: 1)
    for ranks in [2, 3, 4, 8] {  // 8 ranks are more than the 5 dialogues
      let outcome = try Outcome(small, ranks: ranks)
      for (name, expected) in reference.losses {
        expectClose(
          [outcome.losses[name] ?? .nan], [expected], tolerance: Self.tolerance,
          "\(name) at np \(ranks)")
      }
      #expect(outcome.tensors.keys.sorted() == reference.tensors.keys.sorted())
      for (name, expected) in reference.tensors {
        let floor = name.hasPrefix("gradient.") ? 1e-6 * reference.largestGradient : 0
        expectClose(
          outcome.tensors[name] ?? [], expected, tolerance: Self.tolerance, floor: floor,
          "\(name) at np \(ranks)")
      }
    }
  }

  @Test("Dropout is active in that comparison")
  func dropoutMatters() throws {
    let with = try Outcome(small, ranks: 1)
    let without = try Outcome(small, ranks: 1, ["--no-dropout"])
    let (a, b) = (with.losses["loss"] ?? 0, without.losses["loss"] ?? 0)
    #expect(abs(a - b) > 100 * Self.tolerance * a)
  }

  @Test("With micro-batches fixed, a run ends with the same bits at np 1, 2, 4, 8 and any threads")
  func fixedMicroBatches() throws {
    for ranks in [1, 2, 4, 8] {
      let output = "np\(ranks)"
      let run = try small.train(
        output, ["--set", "train.microBatches=8", "--threads", "\(1 + ranks % 3)"], ranks: ranks)
      try #require(run.status == 0, "\(run.errors)")
      try expectSameEnd(output, as: "np1")
    }
  }

  @Test("The same with the widths of the paper, the optimizer sharded or not")
  func fullWidth() throws {
    for (ranks, isSharded) in [(1, false), (2, true), (4, false), (8, true)] {
      let run = try Program(
        [
          "train", "--data", small.data, "--output", small.folder.path("np\(ranks)"),
          "--log-samples", "--set", "train.microBatches=8", "--set", "train.maxSteps=3", "--set",
          "optimizer.sharded=\(isSharded)", "--threads", "1",
        ], ranks: ranks)
      try #require(run.status == 0, "\(run.errors)")
      try expectSameEnd("np\(ranks)", as: "np1", step: 3)
    }
  }

  @Test(
    "A sharded optimizer changes no bit of results and checkpoints",
    arguments: [2, 3, 4, 8])
  func sharded(ranks: Int) throws {
    let fixed = ["--set", "train.microBatches=4"]
    let whole = try small.train("whole", fixed, ranks: ranks)
    try #require(whole.status == 0, "\(whole.errors)")
    // There are more elements than a block of 4096, so every rank has a shard.
    let sharded = fixed + ["--set", "optimizer.sharded=true"]
    let killed = try small.train(
      "sharded", sharded + ["--inject-fault", "kill@backward,rank=1,step=11"], ranks: ranks)
    #expect(killed.status != 0)
    let resumed = try small.train("sharded", sharded + ["--resume", "auto"], ranks: ranks)
    try #require(resumed.status == 0, "\(resumed.errors)")
    try expectSameEnd("sharded", as: "whole")
  }

  @Test("More ranks than micro-batches, and ranks that do not divide them")
  func oddShares() throws {
    let fixed = ["--set", "train.microBatches=4"]
    for ranks in [1, 8, 3] {
      let run = try small.train("np\(ranks)", fixed, ranks: ranks)
      try #require(run.status == 0, "\(run.errors)")
    }
    try expectSameEnd("np8", as: "np1")
    #expect(try small.metrics("np3").count == small.metrics("np1").count)
  }

  /// Expects the last checkpoints of two runs to hold the same tensors, and the same metrics.
  private func expectSameEnd(
    _ output: String, as other: String, step: Int = 18,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let file = "step-\(String(repeating: "0", count: step < 10 ? 7 : 6))\(step).safetensors.zst"
    let digests = try [output, other].map { name in
      let inspected = try Program(
        "checkpoint", "inspect", small.folder.path("\(name)/checkpoints/\(file)"))
      return try #require(inspected.output.split(separator: "\n").first { $0.contains("sha256: ") })
    }
    #expect(digests[0] == digests[1], "\(output)", sourceLocation: sourceLocation)
    #expect(
      try small.metrics(output) == small.metrics(other), "\(output)",
      sourceLocation: sourceLocation)
  }

  @Test("evaluate gives the scores of the run, and predict a line for every utterance")
  func scoring() throws {
    let run = try small.train("run")
    try #require(run.status == 0, "\(run.errors)")
    let arguments = [
      "--checkpoint", small.folder.path("run/best.safetensors.zst"), "--data", small.data,
    ]
    let scores = try Program(["evaluate", "--json"] + arguments)
    let lines = try Program(["predict"] + arguments)
    try #require(scores.status == 0 && lines.status == 0, "\(scores.errors)\(lines.errors)")
    try #require(scores.status == 0 && lines.status == 0, "\(scores.errors)\(lines.errors)")
    let result = try JSONDecoder().decode(
      Scores.self, from: Data(try small.text("run/result.json").utf8))
    let report = try JSONDecoder().decode(Scores.Report.self, from: Data(scores.output.utf8))
    #expect(report.weightedF1 == result.test.weightedF1)
    #expect(lines.output.split(separator: "\n").count == report.utterances)
  }

  @Test("Many groups of dialogues are scored to the same bits at every rank count")
  func groups() throws {
    let run = try small.train("run", ["--set", "train.maxSteps=2"])
    try #require(run.status == 0, "\(run.errors)")
    let large = small.folder.path("large")
    let made = try Program("data", "synthesize", "--output", large, "--scale", "0.5")
    try #require(made.status == 0, "\(made.errors)")
    let arguments = [
      "--checkpoint", small.folder.path("run/best.safetensors.zst"), "--data", large,
    ]
    let scores = try Program(["evaluate", "--json"] + arguments)
    let lines = try Program(["predict"] + arguments)
    try #require(scores.status == 0 && lines.status == 0, "\(scores.errors)\(lines.errors)")
    // A group has about 128 utterances, so that each of 8 ranks has one and some have more.
    #expect(lines.output.split(separator: "\n").count > 9 * 128)
    for ranks in [2, 3, 4, 8] {
      let shared = try Program(["evaluate", "--json"] + arguments, ranks: ranks)
      #expect(shared.status == 0 && shared.output == scores.output, "\(shared.errors)")
      let predicted = try Program(["predict"] + arguments, ranks: ranks)
      #expect(predicted.status == 0 && predicted.output == lines.output, "\(predicted.errors)")
    }
  }

  private struct Scores: Decodable {
    struct Report: Decodable {
      let weightedF1: Double
      let utterances: Int

      enum CodingKeys: String, CodingKey {
        case weightedF1 = "weighted_f1"
        case utterances
      }
    }
    let test: Report
  }

  /// The output of `step`.
  private struct Outcome {
    let losses: [String: Double]
    var tensors: [String: [Float]] = [:]

    init(_ small: SmallRun, ranks: Int, _ arguments: [String] = []) throws {
      let output = small.folder.path("step.safetensors")
      let ids = try small.text("data/train.jsonl").split(separator: "\n").prefix(5).map { line in
        let dialogue = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        return try #require(dialogue?["id"] as? String)
      }
      let program = try Program(
        [
          "step", "--config", small.configuration, "--data", small.data, "--dialogues",
          ids.joined(separator: ","), "--output", output, "--threads", "1",
        ] + arguments, ranks: ranks)
      try #require(program.status == 0, "np \(ranks): \(program.errors)")
      losses = try JSONDecoder().decode([String: Double].self, from: Data(program.output.utf8))
      let file = try SafetensorsFile(path: output)
      for entry in file.header.entries.values {
        tensors[entry.name] =
          entry.type == .i64
          ? try file.integers(entry.name).map(Float.init) : try file.floats(entry.name)
      }
    }

    var largestGradient: Double {
      tensors.filter { $0.key.hasPrefix("gradient.") }.values.flatMap { $0 }
        .map { abs(Double($0)) }.max() ?? 0
    }
  }
}
