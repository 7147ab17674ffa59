import Configuration
import Files
import TestSupport
import Testing

@testable import RunRecords

@Suite("Run folder: configuration and result")
struct RunFolderTests {
  private var result: RunResult {
    var matrix = ConfusionMatrix(classCount: 2)
    matrix.record(truth: 0, predicted: 0)
    matrix.record(truth: 1, predicted: 0)
    let report = ClassificationReport(matrix, emotions: ["joy", "anger"])
    return RunResult(
      name: "mosi", version: "1", seed: .max, epochs: 10, steps: 70, bestEpoch: 3,
      validation: report, test: report, environment: ["ranks": "2", "blas": "Haswell"],
      timeTotal: 1.5)
  }

  @Test("The folder is created with its parents and freed at the end")
  func lifetime() throws {
    try withTemporaryFolder { parent in
      let path = parent.path("runs/deep/mosi")
      let folder = try RunFolder(path: path)
      #expect(FileSystem.exists("\(path)/run.lock"))
      try folder.confirmOwnership()
      try folder.close()
      #expect(try FileSystem.list(path) == [])
    }
  }

  @Test("What a killed job has left half written goes at the next start, and nothing else")
  func unfinished() throws {
    try withTemporaryFolder { parent in
      let names = ["metrics.jsonl", "samples.jsonl", "result.json", "config.yaml", "run.lock"]
      let own = names.map { "\($0).4194305.tmp" }
      let living = "run.lock.1.tmp"
      let foreign = ["notes.4194305.tmp", "metrics.jsonl.tmp", "metrics.jsonl"]
      for name in own + foreign + [living] { try FileSystem.write("x", to: parent.path(name)) }
      let folder = try RunFolder(path: parent.path)
      try folder.close()
      #expect(Set(try FileSystem.list(parent.path)) == Set(foreign + [living]))
    }
  }

  @Test("config.yaml reads back to the configuration")
  func configuration() throws {
    try withTemporaryFolder { parent in
      let folder = try RunFolder(path: parent.path)
      var configuration = RunConfiguration()
      configuration.train.seed = 7
      try folder.write(configuration)
      try folder.close()
      let copy = try ResolvedConfiguration(file: parent.path("config.yaml"))
      #expect(copy.configuration == configuration)
    }
  }

  @Test("result.json reads back, has fixed bytes, and can be removed")
  func resultFile() throws {
    try withTemporaryFolder { parent in
      let folder = try RunFolder(path: parent.path)
      #expect(folder.result() == nil)
      try folder.removeResult()
      try folder.write(result)
      #expect(folder.result() == result)
      let bytes = try FileSystem.readAll(parent.path("result.json"))
      try folder.write(result)
      #expect(try FileSystem.readAll(parent.path("result.json")) == bytes)
      let text = String(decoding: bytes, as: UTF8.self)
      #expect(text.contains("\"best_epoch\" : 3"))
      #expect(text.contains("\"seed\" : 18446744073709551615"))
      #expect(text.contains("\"weighted_f1\" : "))
      try folder.removeResult()
      #expect(folder.result() == nil)
      try folder.close()
    }
  }

  @Test("The summary tells the chosen epoch and the table of the test split")
  func summary() {
    #expect(result.summary.hasPrefix("best epoch 3 of 10 by validation weighted F1 0.3333\n"))
    #expect(result.summary.hasSuffix(result.test.table))
  }
}
