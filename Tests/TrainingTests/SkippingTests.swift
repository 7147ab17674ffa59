import DataParallel
import Files
import JobControl
import TensorCore
import Testing

@testable import Training

@Suite("Steps that are not finite")
struct SkippingTests {
  private func nan(rank: Int, steps: [Int]) -> [String] {
    steps.map { "nan@backward,rank=\(rank),step=\($0)" }
  }

  /// The error that `train` throws.
  private func failure(
    _ rig: TrainingRig, _ output: String, ranks: Int = 1, faults: [String]
  ) -> TrainingError? {
    do {
      _ = try rig.train(output, ranks: ranks, faults: faults)
      return nil
    } catch {
      return error as? TrainingError
    }
  }

  @Test("NaN in the gradient of one rank ends all ranks, with rank and dialogues named")
  func aborts() throws {
    let rig = try TrainingRig()
    let error = try #require(failure(rig, "run", ranks: 3, faults: nan(rank: 1, steps: [3])))
    #expect(error.kind == .notFinite && error.reason == "the gradient is NaN or infinite")
    let samples = String(
      decoding: try FileSystem.readAll(rig.folder.path("run/samples.jsonl")), as: UTF8.self)
    #expect(samples.split(separator: "\n").count == 2)
    let place = try #require(error.place)
    #expect(place.hasPrefix("step 3, rank 1 (gradient of train-"), "\(place)")
    #expect(!place.contains("rank 0") && !place.contains("rank 2"))
    // A third of 36 dialogues.
    #expect(9...15 ~= place.split(separator: ",").count - 1, "\(place)")
  }

  @Test("A skipped step changes no bit of the state, on any rank", arguments: [false, true])
  func changesNothing(isSharded: Bool) throws {
    let rig = try TrainingRig(["train.notFinite": "skip", "optimizer.sharded": "\(isSharded)"])
    let outcomes = try rig.withTrainers("run", ranks: 3, faults: nan(rank: 2, steps: [3])) {
      trainer -> [String] in
      func bits() -> [UInt64] {
        let optimizer = trainer.trainingStep.optimizer
        let moments = [optimizer.firstMoment, optimizer.secondMoment].flatMap { moment in
          moment.elements.map { UInt64($0.bitPattern) }
        }
        return trainer.state.withoutMoments.replicaDigests.map(\.value) + moments
          + [UInt64(optimizer.updateCount)]
      }
      try trainer.step()
      try trainer.step()
      let before = bits()
      try trainer.step()
      let after = bits()
      let skipped = trainer.progress
      try trainer.step()
      return [
        "\(before == after)", "\(bits() == after)", "\(skipped.step) \(skipped.cursor)",
        "\(skipped.skippedSteps) \(skipped.skippedInARow)",
        "\(trainer.progress.skippedSteps) \(trainer.progress.skippedInARow)",
        "\(trainer.trainingStep.optimizer.updateCount)",
      ]
    }
    for outcome in outcomes { #expect(outcome == ["true", "false", "3 108", "1 1", "1 0", "3"]) }
  }

  @Test("Skipped steps are counted in the metrics and logged with rank and dialogues")
  func counts() throws {
    let rig = try TrainingRig(["train.notFinite": "skip"])
    let run = try rig.train("run", ranks: 2, faults: nan(rank: 0, steps: [3, 4, 9]))
    #expect(run.isFinished)
    let rows = try rig.outputs("run", lastStep: 12).metrics.filter { $0.event == .train }
    #expect(rows.map(\.step) == Array(1...12))
    #expect(rows.map { $0.values["skipped"] } == [0, 0, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3])
    #expect(
      rows.map { $0.values["gradient_norm"] == nil } == (1...12).map { [3, 4, 9].contains($0) })
    #expect(run.log.contains("step 4, rank 0 (gradient of train-"), "\(run.log)")
    #expect(run.log.contains("the step is skipped, 2 in a row and 2 in all."))
    #expect(run.log.contains("the step is skipped, 1 in a row and 3 in all."))
  }

  @Test("The maximum of consecutive skipped steps ends the run, also across a resume")
  func maximum() throws {
    let rig = try TrainingRig(["train.notFinite": "skip", "train.maxSkips": "3"])
    let error = failure(rig, "run", faults: nan(rank: 0, steps: [2, 4, 5, 6]))
    #expect(error?.kind == .notFinite && error?.place?.hasPrefix("step 6, ") == true)
    let first = try rig.train("cut", stoppingAtPoll: 3, faults: nan(rank: 0, steps: [2]))
    #expect(first.step == 2)
    let second = failure(rig, "cut", faults: nan(rank: 0, steps: [3, 4]))
    #expect(second?.kind == .notFinite && second?.place?.hasPrefix("step 4, ") == true)
  }

  @Test("A run stopped after a skipped step and resumed ends like an uninterrupted one")
  func resumed() throws {
    let rig = try TrainingRig(["train.notFinite": "skip", "train.microBatches": "4"])
    try #require(try rig.train("whole", faults: nan(rank: 0, steps: [3])).isFinished)
    let first = try rig.train("cut", ranks: 2, stoppingAtPoll: 4, faults: nan(rank: 1, steps: [3]))
    try #require(first.step == 3)
    try #require(try rig.train("cut").isFinished)
    let (whole, cut) = try (rig.outputs("whole", lastStep: 12), rig.outputs("cut", lastStep: 12))
    #expect(whole == cut)
  }

  @Test("Non-finite predictions are reported by dialogue")
  func predictions() throws {
    let rig = try TrainingRig(["train.replicaCheckSteps": "null"])
    let message = try rig.message("run", ranks: 2) { trainer in
      if trainer.team.rank == 1 {
        trainer.state.parameters.values.elements.update(repeating: .nan)
      }
      try trainer.step()
    }
    // Sums over the batch propagate NaN to rank 0, which is not named.
    #expect(message.hasPrefix("step 1, rank 1 (prediction of train-"), "\(message)")
  }

  @Test("A diverged replica that makes a step non-finite is named")
  func diverged() throws {
    for policy in ["skip", "abort"] {
      let rig = try TrainingRig(["train.notFinite": policy])
      let message = try rig.message("run", ranks: 3) { trainer in
        if trainer.team.rank == 1 { trainer.state.parameters.values.elements[0] = .nan }
        try trainer.step()
      }
      #expect(message.hasPrefix("step 1: rank 1 holds other bits of input.text."), "\(message)")
    }
  }

  @Test("A step that is non-finite on one rank only is skipped on all ranks")
  func agreed() throws {
    let rig = try TrainingRig(["train.notFinite": "skip"])
    let run = try rig.train("run", ranks: 3, faults: ["nan@allreduce,rank=2,step=3"])
    #expect(run.isFinished)
    let rows = try rig.outputs("run", lastStep: 12).metrics.filter { $0.event == .train }
    #expect(rows.last?.values["skipped"] == 1)
    // Rank 0, which writes the metrics, has finite values.
    #expect(rows.map { $0.values["gradient_norm"] }.allSatisfy { $0 != nil })
    #expect(run.log.contains("step 3, the sum over ranks, none of which is at fault"), "\(run.log)")
  }

  @Test("Non-finite tensors are neither scored nor saved", arguments: [0, 1, 2])
  func tensors(index: Int) throws {
    let rig = try TrainingRig()
    for isSaving in [true, false] {
      #expect {
        _ = try rig.withTrainers("run\(isSaving)", ranks: 2) { trainer in
          try trainer.step()
          let optimizer = trainer.trainingStep.optimizer
          let tensors = [
            trainer.state.parameters.values, optimizer.firstMoment, optimizer.secondMoment,
          ]
          tensors[index].elements[7] = .infinity
          if isSaving {
            try trainer.save(DueSaves(best: true, step: true))
          } else {
            try trainer.validate()
          }
        }
      } throws: { ExitStatus($0) == .notFinite }
      #expect(try FileSystem.list(rig.folder.path("run\(isSaving)/checkpoints")).isEmpty)
    }
  }
}
