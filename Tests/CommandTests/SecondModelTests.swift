import Files
import Foundation
import TestSupport
import Testing

/// Every command with a model that is not the default one.
@Suite("Commands: bc-LSTM")
struct SecondModelTests {
  private let small: SmallRun

  init() throws {
    small = try SmallRun(model: "{name: bc-lstm, hidden: 12, denseWidth: 10, dropout: 0.2}")
  }

  private var scoring: [String] {
    ["--checkpoint", small.folder.path("np1/best.safetensors.zst"), "--data", small.data]
  }

  private func digest(_ output: String) throws -> Substring {
    let file = "checkpoints/step-00000018.safetensors.zst"
    let inspected = try Program("checkpoint", "inspect", small.folder.path("\(output)/\(file)"))
    try #require(inspected.status == 0, "\(inspected.errors)")
    #expect(inspected.output.contains("  model: bc-lstm\n"))
    #expect(!inspected.output.contains("counts") && !inspected.output.contains("prototype"))
    return try #require(inspected.output.split(separator: "\n").first { $0.contains("sha256: ") })
  }

  @Test("A run ends with the same bits at np 1, 2, 4, 8, and killed and resumed")
  func train() throws {
    let fixed = ["--set", "train.microBatches=8"]
    for ranks in [1, 2, 4, 8] {
      let run = try small.train("np\(ranks)", fixed, ranks: ranks)
      try #require(run.status == 0, "\(run.errors)")
    }
    let killed = try small.train(
      "killed", fixed + ["--inject-fault", "kill@backward,rank=1,step=11"], ranks: 2)
    #expect(killed.status != 0)
    let resumed = try small.train("killed", fixed + ["--resume", "auto"], ranks: 2)
    try #require(resumed.status == 0, "\(resumed.errors)")
    let (rows, sum) = (try small.metrics("np1"), try digest("np1"))
    #expect(rows.count == 22)
    for output in ["np2", "np4", "np8", "killed"] {
      #expect(try digest(output) == sum, "\(output)")
      #expect(try small.metrics(output) == rows, "\(output)")
    }
    let header = try small.text("np1/metrics.csv").split(separator: "\n").first
    #expect(
      header == """
        event,epoch,step,utterances,loss,emotion,learning_rate,gradient_norm,skipped,accuracy,\
        weighted_f1,time_taken,time_elapsed,utterances_per_second
        """)
    try checkScores()
    try checkExport()
  }

  private func checkScores() throws {
    let alone = try Program(["predict"] + scoring)
    let shared = try Program(["predict"] + scoring, ranks: 3)
    #expect(alone.status == 0 && alone.output == shared.output, "\(alone.errors)")
    let line = try #require(alone.output.split(separator: "\n").first)
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    #expect(
      object?.keys.sorted() == ["dialogue", "emotion", "probabilities", "utterance"], "\(line)")
    let scores = try Program(["evaluate", "--json"] + scoring)
    #expect(scores.status == 0 && scores.output.contains("weighted_f1"), "\(scores.errors)")
  }

  /// The exported weights give the step the logits of the checkpoint's model.
  private func checkExport() throws {
    let weights = small.folder.path("weights.safetensors")
    let exported = try Program(
      "checkpoint", "export", small.folder.path("np1/best.safetensors.zst"), "--output", weights)
    try #require(exported.status == 0, "\(exported.errors)")
    let output = small.folder.path("step.safetensors")
    let step = try Program(
      "step", "--config", small.configuration, "--data", small.data, "--dialogues", "train-3",
      "--weights", weights, "--no-dropout", "--output", output)
    try #require(step.status == 0, "\(step.errors)")
    let losses = try JSONDecoder().decode([String: Double].self, from: Data(step.output.utf8))
    #expect(losses.keys.sorted() == ["emotion", "loss"] && losses["loss"] == losses["emotion"])
    let file = try SafetensorsFile(path: output)
    let names = file.header.entries.keys.sorted()
    #expect(names.first == "gradient.classifier.bias" && names.last == "logits")
    #expect(names.allSatisfy { $0 == "logits" || $0.hasPrefix("gradient.") })
    #expect(try file.floats("gradient.lstm.weight_hh_l0").contains { $0 != 0 })
  }

  @Test("A checkpoint of another model is refused by the name of the model")
  func otherModel() throws {
    let run = try small.train("run", ["--set", "train.maxSteps=2"])
    try #require(run.status == 0, "\(run.errors)")
    let other = try Program(
      "train", "--data", small.data, "--output", small.folder.path("run"), "--resume", "auto",
      "--set", "train.maxSteps=2")
    #expect(other.status == 78)
    #expect(other.errors.contains("model.name: dferc is not what"), "\(other.errors)")
  }

  @Test("bench times its steps")
  func bench() throws {
    let bench = try Program(
      "bench", "--set", "model.name=bc-lstm", "--set", "model.hidden=16", "--steps", "2",
      "--warmup", "1", "--dialogues", "2", "--threads", "1", "--json")
    try #require(bench.status == 0, "\(bench.errors)")
    let figures = try JSONSerialization.jsonObject(with: Data(bench.output.utf8)) as? [String: Any]
    let phases = figures?["phase_ms"] as? [String: Double]
    #expect((phases?["forward"] ?? 0) > 0 && phases?["sums"] == 0)
  }
}
