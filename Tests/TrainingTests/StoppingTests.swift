import Checkpointing
import Files
import Foundation
import JobControl
import TensorCore
import Testing

@testable import Training

/// Stops runs at every poll for a stop request, and resumes them.
@Suite("Stopping and resuming")
struct StoppingTests {
  @Test("A run stopped at any poll and resumed has the outputs of an uninterrupted one")
  func everyPoll() throws {
    let rig = try TrainingRig(["train.microBatches": "4"])
    let whole = try rig.train("whole")
    try #require(whole.isFinished)
    let expected = try rig.outputs("whole", lastStep: 12)
    #expect(expected.metrics.count == 12 + 2 + 1)
    var steps: Set<Int> = []
    for ranks in [1, 2] {
      let polls = try rig.train("whole\(ranks)", ranks: ranks).polls
      for poll in 1...polls {
        let output = "stop\(ranks).\(poll)"
        let first = try rig.train(output, ranks: ranks, stoppingAtPoll: poll)
        #expect(!first.isFinished, "poll \(poll)")
        #expect(try rig.temporaryFiles(output).isEmpty)
        steps.insert(first.step)
        let second = try rig.train(output, ranks: [1, 2, 4][poll % 3])
        #expect(second.isFinished)
        let outputs = try rig.outputs(output, lastStep: 12)
        #expect(outputs == expected, "poll \(poll) of \(polls)")
        try FileSystem.removeTree(rig.folder.path(output))
      }
    }
    #expect(steps == Set(0...12))
  }

  @Test("A run stopped repeatedly has the outputs of an uninterrupted one")
  func again() throws {
    let rig = try TrainingRig()
    try #require(try rig.train("whole").isFinished)
    // Enough polls for the test split, the scoring of which restarts from its first group.
    var count = 0
    while try !rig.train("often", stoppingAtPoll: 9).isFinished {
      count += 1
      try #require(count < 12, "the run does not end")
    }
    #expect(count >= 2)
    let (often, whole) = try (
      rig.outputs("often", lastStep: 12), rig.outputs("whole", lastStep: 12)
    )
    #expect(often == whole)
  }

  @Test("A validation that is stopped repeatedly is recorded once")
  func sameValidation() throws {
    let rig = try TrainingRig()
    try #require(try rig.train("whole").isFinished)
    #expect(try rig.train("often", stoppingAtPoll: 8).step == 6)
    for _ in 0..<3 { #expect(try rig.train("often", stoppingAtPoll: 2).step == 6) }
    try #require(try rig.train("often").isFinished)
    let (often, whole) = try (
      rig.outputs("often", lastStep: 12), rig.outputs("whole", lastStep: 12)
    )
    #expect(often == whole)
  }

  @Test("A stop request on one rank stops all ranks at an agreed step, which is saved")
  func oneRank() throws {
    let rig = try TrainingRig()
    let first = try rig.train("run", ranks: 3, stoppingAtPoll: 4)
    #expect(!first.isFinished && first.step == 3)
    let store = CheckpointStore(folder: rig.folder.path("run"), keepLast: 1)
    #expect(try store.steps() == [3])
  }

  @Test("A run stopped before its first step has no checkpoint and starts anew")
  func nothingTrained() throws {
    let rig = try TrainingRig()
    #expect(try rig.train("run", stoppingAtPoll: 1).step == 0)
    #expect(try CheckpointStore(folder: rig.folder.path("run"), keepLast: 1).steps().isEmpty)
    #expect(try rig.train("run").isFinished)
  }

  @Test("If checkpoints cannot be written, `stop` ends the run and `continue` retries")
  func fullDisk() throws {
    for policy in ["stop", "continue"] {
      let rig = try TrainingRig(["checkpoint.ifSaveFails": policy, "checkpoint.everySteps": "2"])
      let folder = rig.folder.path("run/checkpoints")
      @Sendable func breakStorage() {
        try? FileSystem.rename(folder, to: folder + ".away")
        // A save in progress creates the folder again.
        for _ in 0..<100 {
          try? FileSystem.removeTree(folder)
          try? FileSystem.write("", to: folder)
          if !FileSystem.isDirectory(folder) { return }
        }
      }
      @Sendable func repairStorage() {
        try? FileSystem.remove(folder)
        try? FileSystem.rename(folder + ".away", to: folder)
      }
      let atPoll: @Sendable (Int) -> Void = { poll in
        if poll == 5 { breakStorage() }
        // Saves run on a background thread, which a busy machine may delay.
        if poll == 14 {
          Thread.sleep(forTimeInterval: 3)
          repairStorage()
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
      #expect(try rig.outputs("run", lastStep: 12).metrics.count == 15)
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
      #expect(try rig.outputs(output, lastStep: 12).metrics.count == 15)
    }
  }

  @Test("The restart command is the command line with --resume auto")
  func restartCommand() {
    #expect(
      RestartCommand.text(["dferc-dist", "train", "--resume", "a.zst", "--data", "my data"])
        == "dferc-dist train --data 'my data' --resume auto")
    #expect(
      RestartCommand.text(["./d", "--resume=none", "--set", "data.path=it's"])
        == "./d --set 'data.path=it'\\''s' --resume auto")
  }

  @Test("The last line contains the saved step and the restart command")
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
