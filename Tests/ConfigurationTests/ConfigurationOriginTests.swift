import Files
import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Configuration

@Suite("Configuration: origins of values")
struct ConfigurationOriginTests {
  private func override(_ text: String) throws -> ConfigurationOverride {
    try #require(ConfigurationOverride(text))
  }

  @Test("The command line wins over the file, the file over the defaults")
  func precedence() throws {
    try withTemporaryFolder { folder in
      let file = folder.path("mine.yaml")
      try FileSystem.write(
        "data:\n  path: features\ntrain:\n  seed: 1\n  epochs: 5\n", to: file)
      let resolved = try ResolvedConfiguration(
        file: file, overrides: [override("train.seed=2"), override("train.seed=3")])
      #expect(resolved.name == "mine")
      #expect(resolved.configuration.train.seed == 3)
      #expect(resolved.configuration.train.epochs == 5)
      #expect(resolved.configuration.train.patience == nil)
      #expect(resolved.configuration.data.path == folder.path("features"))
      #expect(resolved.origin(of: "train.seed") == .override)
      #expect(resolved.origin(of: "train.epochs") == .file(path: file, line: 5))
      #expect(resolved.origin(of: "train.patience") == .standard)
      #expect(resolved.origin(of: "data.path") == .file(path: file, line: 2))
    }
  }

  @Test("--data sets data.path, relative to the working directory")
  func dataFlag() throws {
    let resolved = try ResolvedConfiguration(data: "features")
    let working = FileManager.default.currentDirectoryPath
    #expect(resolved.configuration.data.path == "\(working)/features")
    #expect(resolved.origin(of: "data.path") == .flag("--data"))
    #expect(resolved.name == "synthetic")
  }

  @Test("--set data.path is relative to the working directory too")
  func dataOverride() throws {
    let resolved = try ResolvedConfiguration(overrides: [override("data.path=features")])
    let working = FileManager.default.currentDirectoryPath
    #expect(resolved.configuration.data.path == "\(working)/features")
  }

  @Test("--data and --set data.path contradict each other")
  func dataTwice() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try ResolvedConfiguration(overrides: [override("data.path=/a")], data: "/b")
    }
    #expect(
      error?.description
        == "--data data.path: --set gives the same key another value. Use one of the two.")
  }

  @Test("The annotated print has the origin of each key and can be read back")
  func annotated() throws {
    let resolved = try ResolvedConfiguration(
      overrides: [override("optimizer.learningRate=5e-4")], data: "/d")
    let lines = resolved.annotated.split(separator: "\n").map(String.init)
    #expect(lines.contains("  path: /d                           # --data"))
    #expect(lines.contains("  learningRate: 0.0005               # --set"))
    #expect(lines.contains("  epochs: 10                         # default"))
    let copy = try RunConfiguration(yaml: resolved.annotated, source: "print")
    #expect(copy == resolved.configuration)
  }

  @Test("An argument without key or = is not an override", arguments: ["", "train.seed", "=3"])
  func malformedOverride(argument: String) {
    #expect(ConfigurationOverride(argument) == nil)
  }

  @Test("Only the first = splits, and an empty value is null")
  func overrideSplitting() throws {
    #expect(try override("data.path=a=b").value == "a=b")
    let resolved = try ResolvedConfiguration(
      overrides: [override("train.maxSteps=4"), override("train.maxSteps=")])
    #expect(resolved.configuration.train.maxSteps == nil)
  }
}

@Suite("Configuration: resuming")
struct ConfigurationResumeTests {
  @Test("The path of the data and the section checkpoint do not change a result")
  func harmlessKeys() {
    var other = RunConfiguration()
    other.data.path = "/elsewhere"
    other.checkpoint = CheckpointOptions()
    other.checkpoint.everySteps = 1
    other.checkpoint.keepLast = 9
    other.checkpoint.level = 19
    // This build has no text encoder, so these have no effect.
    other.textEncoder.trainable = false
    other.textEncoder.learningRate = 1
    #expect(other.differences(from: RunConfiguration()) == [])
  }

  @Test(
    "Every other key changes the result",
    arguments: [
      ("data.modalities", "[text]"), ("model.width", "8"), ("model.alignmentWidth", "8"),
      ("model.contextHidden", "8"), ("model.dropout", "0"), ("model.ablations", "[no-cfm]"),
      ("loss.contrastive", "1"), ("loss.contribution", "1"), ("loss.prototype", "1"),
      ("loss.reduction", "sum"), ("loss.modalityTemperature", "1"),
      ("loss.utteranceTemperature", "1"), ("loss.margin", "1"), ("prototype.reset", "epoch"),
      ("optimizer.schedule", "cosine"), ("optimizer.learningRate", "1"),
      ("optimizer.weightDecay", "0"),
      ("optimizer.betas", "[0, 0]"), ("optimizer.epsilon", "1"), ("optimizer.warmupSteps", "0"),
      ("optimizer.clipNorm", "2"), ("train.epochs", "1"), ("train.maxSteps", "1"),
      ("train.dialoguesPerBatch", "1"), ("train.microBatches", "1"), ("train.seed", "1"),
      ("train.patience", "1"),
    ])
  func decisiveKeys(key: String, value: String) throws {
    let override = try #require(ConfigurationOverride("\(key)=\(value)"))
    let changed = try ResolvedConfiguration(overrides: [override]).configuration
    #expect(changed.differences(from: RunConfiguration()) == [key])
  }

  @Test("Resuming with other settings is refused, naming the keys")
  func mismatch() throws {
    try withTemporaryFolder { folder in
      let file = folder.path("run.yaml")
      try FileSystem.write("train:\n  seed: 1\n  epochs: 5\n", to: file)
      let error = #expect(throws: ConfigurationError.self) {
        try ResolvedConfiguration(file: file)
          .requireSameResult(as: RunConfiguration(), ofCheckpoint: "step.zst")
      }
      #expect(
        error?.description
          == "\(file):3: train.epochs: 5 is not what step.zst was trained with, 10 "
          + "(train.seed differs too). Use the run's config.yaml, or say --set train.epochs=5 "
          + "to change it on purpose.")
    }
  }

  @Test("Keys given by --set may differ")
  func deliberateChange() throws {
    let override = try #require(ConfigurationOverride("train.epochs=20"))
    let resolved = try ResolvedConfiguration(overrides: [override])
    try resolved.requireSameResult(as: RunConfiguration(), ofCheckpoint: "step.zst")
  }
}
