import Checkpointing
import Files
import Foundation
import JobControl
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
    for ranks in [1, 2] {
      let polls = try rig.train("whole\(ranks)", ranks: ranks).polls
      for poll in 1...polls {
        let output = "stop\(ranks).\(poll)"
        let first = try rig.train(output, ranks: ranks, stoppingAtPoll: poll)
        #expect(!first.isFinished, "look \(poll)")
        #expect(try rig.temporaryFiles(output).isEmpty)
        steps.insert(first.step)
        let second = try rig.train(output, ranks: [1, 2, 4][poll % 3])
        #expect(second.isFinished)
        let traces = try rig.traces(output, lastStep: 12)
        #expect(traces == expected, "look \(poll) of \(polls)")
        try FileSystem.removeTree(rig.folder.path(output))
      }
    }
    #expect(steps == Set(0...12))
  }

  @Test("Stopped again and again, a run comes to the same end")
  func again() throws {
    let rig = try TrainingRig()
    try #require(try rig.train("whole").isFinished)
    // Long enough for the test score, which is not gone on with but begun anew.
    var count = 0
    while try !rig.train("often", stoppingAtPoll: 9).isFinished {
      count += 1
      try #require(count < 12, "the run does not come to its end")
    }
    #expect(count >= 2)
    let (often, whole) = try (rig.traces("often", lastStep: 12), rig.traces("whole", lastStep: 12))
    #expect(often == whole)
  }

  @Test("Stopped in the same validation again and again, a run does it once in the end")
  func sameValidation() throws {
    let rig = try TrainingRig()
    try #require(try rig.train("whole").isFinished)
    #expect(try rig.train("often", stoppingAtPoll: 8).step == 6)
    for _ in 0..<3 { #expect(try rig.train("often", stoppingAtPoll: 2).step == 6) }
    try #require(try rig.train("often").isFinished)
    let (often, whole) = try (rig.traces("often", lastStep: 12), rig.traces("whole", lastStep: 12))
    #expect(often == whole)
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

  @Test("Where checkpoints cannot be written, `stop` ends the run and `continue` waits for better")
  func fullDisk() throws {
    for policy in ["stop", "continue"] {
      let rig = try TrainingRig(["checkpoint.ifSaveFails": policy, "checkpoint.everySteps": "2"])
      let folder = rig.folder.path("run/checkpoints")
      @Sendable func breakStorage() {
        try? FileSystem.rename(folder, to: folder + ".away")
        // A save that is under way makes the folder again.
        for _ in 0..<100 {
          try? FileSystem.removeTree(folder)
          try? FileSystem.write("", to: folder)
          if !FileSystem.isDirectory(folder) { return }
        }
      }
      @Sendable func mendStorage() {
        try? FileSystem.remove(folder)
        try? FileSystem.rename(folder + ".away", to: folder)
      }
      let atPoll: @Sendable (Int) -> Void = { poll in
        if poll == 5 { breakStorage() }
        // Saves run on a thread of their own, which a busy machine may hold up.
        if poll == 14 {
          Thread.sleep(forTimeInterval: 3)
          mendStorage()
        }
      }
      let never: @Sendable (Int) -> Void = { poll in if poll == 5 { breakStorage() } }
      guard policy == "continue" else {
        #expect { _ = try rig.train("run", ranks: 2, atPoll: never) } throws: {
          ExitStatus($0) == .storage
        }
        continue
      }
      let run = try rig.train("run", ranks: 2, atPoll: atPoll)
      #expect(run.isFinished && run.log.contains("could not be written"), "\(run.log)")
      try #require(try rig.train("whole").isFinished)
      #expect(try rig.traces("run", lastStep: 12).metrics.count == 15)
      try FileSystem.removeTree(rig.folder.path("run"))
      #expect { _ = try rig.train("run", ranks: 2, atPoll: never) } throws: {
        ExitStatus($0) == .storage
      }
    }
  }

  @Test("More ranks than micro-batches, and counts that do not divide them, train and resume")
  func unevenRanks() throws {
    let rig = try TrainingRig(["train.microBatches": "2"])
    for ranks in [3, 4, 5] {
      let output = "run\(ranks)"
      #expect(try rig.train(output, ranks: ranks, stoppingAtPoll: 4).step == 3)
      #expect(try rig.train(output, ranks: ranks - 1).isFinished)
      #expect(try rig.traces(output, lastStep: 12).metrics.count == 15)
    }
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
    let request = RunRequest()
    #expect(
      "\(StopNotice(request, step: 8, steps: 18, arguments: arguments))"
        == "stopped on request, in good order, after step 8 of 18, which is saved. "
        + "To go on, start it again as before but with: dferc-dist --resume auto")
    #expect(
      "\(StopNotice(request, step: 0, steps: nil, arguments: arguments))"
        .contains("before the first step; nothing was trained. To go on"))
    #expect(
      "\(StopNotice(RunRequest(isFastDevelopmentRun: true), step: 1, steps: 1))"
        .hasSuffix("a dry run keeps nothing."))
  }
}
