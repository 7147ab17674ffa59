import Checkpointing
import TensorCore
import Testing

@testable import Training

/// Runs that are asked to stop at every place where they look.
@Suite("Stopping and going on")
struct StoppingTests {
  @Test("Stopped at any look and resumed, a run leaves what an undisturbed one leaves")
  func everyPoll() throws {
    let rig = try TrainingRig(["train.microBatches": "4"])
    let whole = try rig.train("whole")
    try #require(whole.isFinished)
    let expected = try rig.traces("whole", lastStep: 12)
    #expect(expected.metrics.count == 12 + 2 + 1)
    var steps: Set<Int> = []
    for poll in 1...whole.polls {
      let output = "stop\(poll)"
      let first = try rig.train(output, ranks: 1 + poll % 2, stoppingAtPoll: poll)
      #expect(!first.isFinished, "look \(poll)")
      #expect(try rig.temporaryFiles(output).isEmpty)
      steps.insert(first.step)
      let second = try rig.train(output, ranks: [1, 2, 4][poll % 3])
      #expect(second.isFinished)
      #expect(try rig.traces(output, lastStep: 12) == expected, "look \(poll)")
      try FileSystem.removeTree(rig.folder.path(output))
    }
    #expect(steps == Set(0...12))
  }

  @Test("Stopped again and again after one step each, a run comes to the same end")
  func everyStep() throws {
    let rig = try TrainingRig()
    try #require(try rig.train("whole").isFinished)
    for _ in 0..<12 {
      // One look before the step and one after it; more if the validation is made up.
      _ = try rig.train("often", stoppingAtPoll: 2)
    }
    try #require(try rig.train("often").isFinished)
    #expect(try rig.traces("often", lastStep: 12) == rig.traces("whole", lastStep: 12))
  }

  @Test("All ranks save the step that they agreed on when only one was asked")
  func oneRank() throws {
    let rig = try TrainingRig()
    let first = try rig.train("run", ranks: 3, stoppingAtPoll: 4)
    #expect(!first.isFinished && first.step == 3)
    let store = CheckpointStore(folder: rig.folder.path("run"), keepLast: 1)
    #expect(try store.steps() == [3])
  }

  @Test("A run that is asked before its first step keeps no checkpoint and starts anew")
  func nothingTrained() throws {
    let rig = try TrainingRig()
    #expect(try rig.train("run", stoppingAtPoll: 1).step == 0)
    #expect(try CheckpointStore(folder: rig.folder.path("run"), keepLast: 1).steps().isEmpty)
    #expect(try rig.train("run").isFinished)
  }

  @Test("The command that goes on is the one that was stopped, with --resume auto")
  func restartCommand() {
    #expect(
      RestartCommand.text(["dferc-dist", "train", "--resume", "a.zst", "--data", "my data"])
        == "dferc-dist train --data 'my data' --resume auto")
    #expect(
      RestartCommand.text(["./d", "--resume=none", "--set", "data.path=it's"])
        == "./d --set 'data.path=it'\\''s' --resume auto")
  }

  @Test("The last line says what was saved and what to run")
  func notice() {
    let arguments = ["dferc-dist"]
    let request = TrainRequest()
    #expect(
      "\(StopNotice(request, step: 8, steps: 18, arguments: arguments))"
        == "stopped on request, in good order, after step 8 of 18, which is saved. "
        + "To go on, start it again as before but with: dferc-dist --resume auto")
    #expect(
      "\(StopNotice(request, step: 0, steps: nil, arguments: arguments))"
        .contains("before the first step; nothing was trained. To go on"))
    #expect(
      "\(StopNotice(TrainRequest(isFastDevelopmentRun: true), step: 1, steps: 1))"
        .hasSuffix("a dry run keeps nothing."))
  }
}
