import Checkpointing
import Files
import Foundation
import TensorCore
import TestSupport
import Testing

/// Whole runs that are interrupted, refused and resumed.
@Suite("Commands: train and resume")
struct ResumeTests {
  private let small: SmallRun

  init() throws { small = try SmallRun() }

  @Test("A run resumed within an epoch ends with the bits of an uninterrupted one")
  func sameBits() throws {
    let whole = try small.train("whole")
    try #require(whole.status == 0, "\(whole.errors)")
    try cut("whole", to: "cut", afterStep: 8)
    let resumed = try small.train("cut", ["--resume", "auto"])
    try #require(resumed.status == 0, "\(resumed.errors)")

    try expectSameTensors("whole/checkpoints/step-00000018", "cut/checkpoints/step-00000018")
    #expect(try small.metrics("whole") == small.metrics("cut"))
    #expect(try small.text("whole/samples.jsonl") == small.text("cut/samples.jsonl"))
    #expect(resumed.output == whole.output)
  }

  @Test("A resumed run continues its sample log; a damaged row is named")
  func continuesLog() throws {
    let first = try small.train("run", ["--set", "train.maxSteps=4"])
    try #require(first.status == 0, "\(first.errors)")
    let metrics = small.folder.path("run/metrics.jsonl")
    try FileSystem.write(
      try small.text("run/metrics.jsonl").replacing("\"step\":2", with: "\"step\":?"), to: metrics)
    // Without --log-samples.
    let second = try Program(
      "train", "--config", small.configuration, "--data", small.data, "--output",
      small.folder.path("run"), "--resume", "auto", "--set", "train.maxSteps=8")
    try #require(second.status == 0, "\(second.errors)")
    let place = "warning: \(metrics), line 2: it cannot be read and is left out"
    #expect(second.errors.contains(place), "\(second.errors)")
    let samples = try small.text("run/samples.jsonl").split(separator: "\n")
    #expect(samples.count == 8)
    let steps = try small.metrics("run").filter { $0.contains("\"train\"") }.count
    #expect(steps == 7)
  }

  @Test("Every dialogue is trained on once an epoch, in an order of its own")
  func samples() throws {
    let run = try small.train("run")
    try #require(run.status == 0, "\(run.errors)")
    struct Line: Decodable {
      let epoch: Int
      let dialogues: [String]
    }
    let lines = try small.text("run/samples.jsonl").split(separator: "\n").map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
    let orders = (1...3).map { epoch in
      lines.filter { $0.epoch == epoch }.flatMap(\.dialogues)
    }
    for order in orders { #expect(order.count == 21 && Set(order).count == 21) }
    #expect(Set(orders).count == 3)
  }

  @Test("A broken newest checkpoint is named, and the previous one is used")
  func fallBack() throws {
    let whole = try small.train("whole")
    try #require(whole.status == 0, "\(whole.errors)")
    try cut("whole", to: "cut", afterStep: 12)
    let newest = small.folder.path("cut/checkpoints/step-00000012.safetensors.zst")
    try FileSystem.write(Array(try FileSystem.readAll(newest).dropLast(7)), to: newest)
    let resumed = try small.train("cut", ["--resume", "auto"])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("passed over: \(newest)"))
    #expect(resumed.errors.contains("going on after step 8 of 18"))
    try expectSameTensors("whole/checkpoints/step-00000018", "cut/checkpoints/step-00000018")
  }

  @Test("A folder with checkpoints is refused without --resume; a finished run prints its result")
  func finished() throws {
    let first = try small.train("run")
    try #require(first.status == 0, "\(first.errors)")
    let refused = try small.train("run")
    #expect(refused.status == 64 && refused.errors.contains("--resume auto"))
    let again = try small.train("run", ["--resume", "auto"])
    #expect(again.status == 0 && again.output.hasSuffix(first.output))
  }

  @Test("A checkpoint of another configuration is refused, unless --set gives the change")
  func otherConfiguration() throws {
    let first = try small.train("run")
    try #require(first.status == 0, "\(first.errors)")
    try FileSystem.write(
      try small.text("small.yaml").replacing("warmupSteps: 5", with: "warmupSteps: 6"),
      to: small.configuration)
    let refused = try small.train("run", ["--resume", "auto"])
    #expect(refused.status == 78 && refused.errors.contains("optimizer.warmupSteps"))
    let longer = try small.train(
      "run", ["--resume", "auto", "--set", "optimizer.warmupSteps=6", "--set", "train.epochs=4"])
    #expect(longer.status == 0, "\(longer.errors)")
    #expect(longer.errors.contains("going on after step 18 of 24"))
  }

  @Test("A run that ends within an epoch counts and scores it")
  func maximumOfSteps() throws {
    let run = try small.train("run", ["--set", "train.maxSteps=9"])
    #expect(run.status == 0 && run.output.hasPrefix("best epoch "), "\(run.errors)")
    #expect(run.output.contains(" of 2 by validation"))
    #expect(try small.metrics("run").count == 9 + 2 + 1)
  }

  @Test("A run resumed from an earlier step scores its own best epoch")
  func earlierStep() throws {
    let first = try small.train("run")
    try #require(first.status == 0, "\(first.errors)")
    // With this learning rate, the best epoch is another than before.
    let back = [
      "--resume", small.folder.path("run/checkpoints/step-00000008.safetensors.zst"), "--set",
      "optimizer.learningRate=1e-12",
    ]
    let second = try small.train("run", back)
    try #require(second.status == 0, "\(second.errors)")
    let best = try Checkpoint(path: small.folder.path("run/best.safetensors.zst"))
    #expect(
      try small.text("run/result.json").contains(
        "\"best_epoch\" : \(try best.integer("best_epoch")),"))
    let scored = try Program(
      "evaluate", "--json", "--data", small.data, "--checkpoint",
      small.folder.path("run/best.safetensors.zst"))
    let test = try #require(
      try small.metrics("run").last { $0.contains("\"test\"") })
    let report = try JSONSerialization.jsonObject(with: Data(scored.output.utf8)) as? [String: Any]
    let f1 = try #require(report?["weighted_f1"] as? Double)
    #expect(test.contains("\"weighted_f1\":\(f1)"), "\(test) against \(f1)")
    // The checkpoints of the abandoned steps are not used again.
    let again = try small.train("run", ["--resume", "auto"] + back.suffix(2))
    #expect(again.status == 0 && again.output.hasSuffix(second.output), "\(again.errors)")
  }

  @Test("A run resumed in another folder copies its best checkpoint")
  func otherFolder() throws {
    let first = try small.train("run")
    try #require(first.status == 0, "\(first.errors)")
    let source = small.folder.path("run/checkpoints/step-00000016.safetensors.zst")
    let second = try small.train("other", ["--resume", source])
    #expect(second.status == 0, "\(second.errors)")
    try expectSameTensors("run/checkpoints/step-00000018", "other/checkpoints/step-00000018")
    let third = try small.train("run", ["--resume", source, "--set", "train.maxSteps=16"])
    #expect(third.status == 0, "\(third.errors)")
  }

  @Test("Other data are refused on resume, unless --set gives the change")
  func otherData() throws {
    let first = try small.train("run")
    try #require(first.status == 0, "\(first.errors)")
    let lines = try small.text("data/train.jsonl").split(separator: "\n")
    let changed = lines.joined(separator: "\n").replacing("\"joy\"", with: "\"anger\"") + "\n"
    try FileSystem.write(changed, to: small.folder.path("data/train.jsonl"))
    let refused = try small.train("run", ["--resume", "auto"])
    #expect(refused.status == 78 && refused.errors.contains("data.path"), "\(refused.errors)")
    let deliberate = try Program([
      "train", "--config", small.configuration, "--output", small.folder.path("run"), "--resume",
      "auto", "--set", "data.path=\(small.data)", "--set", "train.epochs=4",
    ])
    #expect(deliberate.status == 0 && deliberate.errors.contains("going on after step 18 of 24"))
  }

  @Test("Without a choice of modalities, those of the dataset are used")
  func fewerModalities() throws {
    let manifest = small.folder.path("data/dataset.json")
    let text = try small.text("data/dataset.json")
    let visual = try #require(text.firstMatch(of: /,\s*"visual"\s*:\s*\d+/))
    try FileSystem.write(text.replacing(visual.output, with: ""), to: manifest)
    let run = try small.train("run", ["--set", "train.maxSteps=1"])
    #expect(run.status == 0, "\(run.errors)")
    let resumed = try small.train("run", ["--resume", "auto", "--set", "train.maxSteps=2"])
    #expect(resumed.status == 0, "\(resumed.errors)")
    let chosen = try small.train("run2", ["--set", "data.modalities=[text, visual]"])
    #expect(chosen.status == 65 && chosen.errors.contains("visual"))
  }

  @Test("A dry run trains, evaluates and keeps nothing")
  func fastDevelopmentRun() throws {
    let run = try small.train("run", ["--fast-dev-run"])
    #expect(run.status == 0 && run.output.contains("weighted F1"), "\(run.errors)")
    #expect(!FileSystem.exists(small.folder.path("run")))
  }

  @Test("A loss that is not finite ends every rank with exit code 79", arguments: [1, 2])
  func notFinite(ranks: Int) throws {
    let run = try small.train(
      "run", ["--set", "optimizer.learningRate=1e38", "--set", "optimizer.warmupSteps=0"],
      ranks: ranks)
    #expect(run.status == 79, "\(run.errors)")
    #expect(run.errors.contains("is NaN or infinite"))
  }

  @Test("Missing and bad data end every rank with one message", arguments: [1, 3])
  func badData(ranks: Int) throws {
    let lines = small.folder.path("data/train.jsonl")
    try FileSystem.write(
      try small.text("data/train.jsonl").replacing("\"neutral\"", with: "\"bored\""), to: lines)
    let bad = try small.train("run", ranks: ranks)
    #expect(bad.status == 65)
    #expect(bad.errors.components(separatedBy: "\(lines), line").count == 2, "\(bad.errors)")
    try FileSystem.remove(lines)
    #expect(try small.train("run", ranks: ranks).status == 66)
  }

  /// Copies a run without its result and later checkpoints, as if it was killed after a step.
  private func cut(_ source: String, to target: String, afterStep step: Int) throws {
    let (from, to) = (small.folder.path(source), small.folder.path(target))
    try FileManager.default.copyItem(atPath: from, toPath: to)
    try FileSystem.remove("\(to)/result.json")
    let store = CheckpointStore(folder: to, keepLast: 1)
    for later in try store.steps() where later > step {
      try FileSystem.remove(store.path(ofStep: later))
    }
  }

  private func expectSameTensors(_ first: String, _ second: String) throws {
    let a = try Checkpoint(path: small.folder.path("\(first).safetensors.zst"))
    let b = try Checkpoint(path: small.folder.path("\(second).safetensors.zst"))
    #expect(a.tensors.header.entries == b.tensors.header.entries)
    #expect(a.metadata["sha256"] == b.metadata["sha256"])
    #expect(a.tensors.header.entries.count > 100)
  }
}
