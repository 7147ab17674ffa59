import Foundation
import Optimizing
import TestSupport
import Testing

@Suite("Learning rate schedule")
struct LearningRateScheduleTests {
  struct Run: Decodable {
    let warmupSteps: Int
    let steps: Int
    let factors: [Double]
  }

  @Test("whole runs, those that end inside the warm-up too")
  func golden() throws {
    let data = try Data(contentsOf: fixtureFolder().appendingPathComponent("schedule.json"))
    let runs = try JSONDecoder().decode([Run].self, from: data)
    #expect(runs.contains { $0.steps <= $0.warmupSteps } && runs.contains { $0.warmupSteps == 0 })
    for run in runs {
      let schedule = LearningRateSchedule(
        warmupSteps: run.warmupSteps, totalSteps: run.steps)
      let factors = (0..<run.steps).map(schedule.factor)
      expectClose(
        factors, run.factors, tolerance: 1e-15, "W \(run.warmupSteps), T \(run.steps)")
    }
  }

  @Test("beyond the last step the factor is zero, never negative")
  func afterTheEnd() {
    let schedule = LearningRateSchedule(warmupSteps: 1, totalSteps: 3)
    #expect(schedule.factor(step: 3) == 0 && schedule.factor(step: 10) == 0)
    let short = LearningRateSchedule(warmupSteps: 3, totalSteps: 3)
    #expect(short.factor(step: 3) == 0)
  }

  /// Values of `torch.optim.lr_scheduler.CosineAnnealingLR(T_max=4, eta_min=0)` after the warm-up.
  @Test("constant stays at 1, cosine falls in half a wave; both warm up and end at zero")
  func otherDecays() {
    let constant = LearningRateSchedule(warmupSteps: 2, totalSteps: 6, decay: .constant)
    #expect((0..<7).map(constant.factor) == [0.5, 1, 1, 1, 1, 1, 0])
    let cosine = LearningRateSchedule(warmupSteps: 2, totalSteps: 6, decay: .cosine)
    let half = 0.5.squareRoot() / 2
    expectClose(
      (0..<7).map(cosine.factor), [0.5, 1, 1, 0.5 + half, 0.5, 0.5 - half, 0], tolerance: 1e-15,
      "cosine")
  }
}
