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
        warmupSteps: run.warmupSteps, totalSteps: run.steps, decay: .linear)
      let factors = (0..<run.steps).map(schedule.factor)
      expectClose(
        factors, run.factors, tolerance: 1e-15, "W \(run.warmupSteps), T \(run.steps)")
    }
  }

  @Test("without decay the factor stays 1 after the warm-up")
  func constant() {
    let schedule = LearningRateSchedule(warmupSteps: 2, totalSteps: 5, decay: .constant)
    #expect((0..<5).map(schedule.factor) == [0.5, 1, 1, 1, 1])
  }

  @Test("beyond the last step the factor is zero, never negative")
  func afterTheEnd() {
    let schedule = LearningRateSchedule(warmupSteps: 1, totalSteps: 3, decay: .linear)
    #expect(schedule.factor(step: 3) == 0 && schedule.factor(step: 10) == 0)
    let short = LearningRateSchedule(warmupSteps: 3, totalSteps: 3, decay: .linear)
    #expect(short.factor(step: 3) == 0)
  }
}
