import Optimizing
import RunRecords
import Testing

@testable import Training

@Suite("The order of a run")
struct RunScheduleTests {
  /// Three epochs of 10 dialogues in steps of 4: 3 steps an epoch.
  private func schedule(
    totalSteps: Int = 9, patience: Int? = nil, stepsPerSave: Int = 2
  ) -> RunSchedule {
    RunSchedule(
      learningRate: LearningRateSchedule(warmupSteps: 0, totalSteps: totalSteps), epochs: 3,
      patience: patience, dialogueCount: 10,
      stepsPerSave: stepsPerSave)
  }

  private func report(_ f1: Double) -> ClassificationReport {
    var matrix = ConfusionMatrix(classCount: 2)
    for index in 0..<100 {
      matrix.record(truth: index % 2, predicted: Double(index) < f1 * 100 ? index % 2 : 0)
    }
    return ClassificationReport(matrix, emotions: ["a", "b"])
  }

  /// A run without ranks and tensors, with its tasks and the progress in its last checkpoint.
  private struct Run {
    let schedule: RunSchedule
    let scores: [ClassificationReport]
    var progress = TrainingProgress()
    var saved: TrainingProgress?
    var isBestUnsaved = false
    var done: [String] = []

    /// Performs the next task.
    ///
    /// - Returns: whether tasks remain.
    mutating func advance() -> Bool {
      switch schedule.next(after: progress, saved: saved, isBestUnsaved: isBestUnsaved) {
      case .step:
        progress.step += 1
        progress.cursor = min(progress.cursor + 4, 10)
        done.append("step \(progress.step)")
      case .validation:
        let number = max(progress.epochsBegun, 1)
        isBestUnsaved = progress.score(scores[number - 1], epoch: number)
        if schedule.isAtEpochEnd(progress) { progress.finishEpoch() }
        done.append("validation \(progress.step)")
      case .save(let due):
        if due.best { done.append("best \(progress.step)") }
        if due.step { saved = progress }
        isBestUnsaved = false
      case .test:
        done.append("test")
        return false
      }
      return true
    }
  }

  private func whole(_ schedule: RunSchedule, _ f1: [Double] = [0.5, 0.6, 0.55]) -> Run {
    var run = Run(schedule: schedule, scores: f1.map(report))
    while run.advance() {}
    return run
  }

  @Test("Steps, validations, saves of the best and the test score are in order")
  func order() {
    #expect(
      whole(schedule()).done == [
        "step 1", "step 2", "step 3", "validation 3", "best 3", "step 4", "step 5", "step 6",
        "validation 6", "best 6", "step 7", "step 8", "step 9", "validation 9", "test",
      ])
  }

  @Test("A run that ends within an epoch is validated there; one with patience 1 ends early")
  func ends() {
    #expect(
      whole(schedule(totalSteps: 4)).done.suffix(4) == [
        "step 4", "validation 4", "best 4", "test",
      ])
    let impatient = whole(schedule(patience: 1), [0.5, 0.4, 0.9])
    #expect(impatient.done.suffix(3) == ["step 6", "validation 6", "test"])
    #expect(impatient.progress.best?.epoch == 1)
  }

  @Test("A run stopped after any task, saved and resumed performs the same tasks")
  func stopped() {
    let straight = whole(schedule())
    var tried = 0
    for stop in 0..<30 {
      var first = Run(schedule: schedule(), scores: straight.scores)
      for _ in 0..<stop where !first.done.contains("test") { _ = first.advance() }
      guard first.progress.step > 0, !first.done.contains("test") else { continue }
      tried += 1
      var second = Run(schedule: schedule(), scores: straight.scores, progress: first.progress)
      second.saved = second.progress
      second.done = first.done
      if first.isBestUnsaved { second.done.append("best \(first.progress.step)") }
      while second.advance() {}
      #expect(second.done == straight.done, "stopped after \(stop) tasks")
      #expect(second.progress == straight.progress)
    }
    #expect(tried > 10)
  }

  @Test("A run killed after any task and resumed from the last checkpoint repeats the lost tasks")
  func killed() {
    let straight = whole(schedule())
    var tried = 0
    for stop in 0..<30 {
      var first = Run(schedule: schedule(), scores: straight.scores)
      for _ in 0..<stop where !first.done.contains("test") { _ = first.advance() }
      guard let saved = first.saved else { continue }
      tried += 1
      var second = Run(schedule: schedule(), scores: straight.scores, progress: saved, saved: saved)
      while second.advance() {}
      #expect(second.progress == straight.progress, "killed after \(stop) tasks")
      #expect(straight.done.suffix(second.done.count) == second.done[...])
    }
    #expect(tried > 10)
  }

  @Test("The checkpoint of a step is written after the validation of that step")
  func saves() {
    var run = Run(schedule: schedule(stepsPerSave: 3), scores: [0.5, 0.6, 0.55].map(report))
    var validated: [Int: Bool] = [:]
    while run.advance() {
      if let saved = run.saved { validated[saved.step] = saved.isValidated }
    }
    #expect(validated == [3: true, 6: true, 9: true])
  }
}
