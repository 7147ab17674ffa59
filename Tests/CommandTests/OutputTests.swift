import Files
import Foundation
import TensorCore
import TestSupport
import Testing
import Training

/// Outputs that cannot be written, and the run folder after an error.
@Suite("Commands: outputs and errors")
struct OutputTests {
  @Test("An invalid output path is refused before any input is read")
  func refusedFirst() throws {
    try withTemporaryFolder { folder in
      for output in [folder.path("none/x"), folder.path, folder.path("x/")] {
        let predict = try Program(
          "predict", "--checkpoint", "/none", "--data", "/none", "--output", output)
        #expect(predict.status == 64 && predict.errors.contains("--output \(output): "))
        let step = try Program(
          "step", "--config", "/none", "--data", "/none", "--dialogues", "a", "--output", output)
        #expect(step.status == 64 && step.errors.contains("--output \(output): "))
      }
    }
  }

  @Test("A run folder that cannot be created is a storage error")
  func impossibleFolder() throws {
    let small = try SmallRun()
    let run = try Program(
      "train", "--config", small.configuration, "--data", small.data, "--output", "/proc/foo")
    #expect(run.status == 74 && run.errors.contains("create folder /proc/foo"), "\(run.errors)")
  }

  @Test("An error releases the run folder and is the last line of log.txt", arguments: [1, 2])
  func errorsInTheRunFolder(ranks: Int) throws {
    let small = try SmallRun()
    let broken = try small.train(
      "run", ["--set", "optimizer.learningRate=1e38", "--set", "optimizer.warmupSteps=0"],
      ranks: ranks)
    try #require(broken.status == 79, "\(broken.errors)")
    #expect(!FileSystem.exists(small.folder.path("run/run.lock")))
    let last = try small.text("run/log.txt").split(separator: "\n").last
    #expect(last?.contains(" error ") == true && last?.contains("is NaN or infinite") == true)
  }

  @Test("A refused folder is not locked")
  func refusedFolder() throws {
    let small = try SmallRun()
    try #require(try small.train("run", ["--set", "train.epochs=1"]).status == 0)
    #expect(try small.train("run").status == 64)
    #expect(!FileSystem.exists(small.folder.path("run/run.lock")))
  }
}
