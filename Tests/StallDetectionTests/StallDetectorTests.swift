import Testing

@testable import DataParallel
@testable import StallDetection

@Suite("Judging a stall")
struct StallJudgeTests {
  private static let limits = StallLimits(training: 30, saving: 100)

  /// Ranks that were all heard and moved at time 0, and may say something new later.
  private struct Job {
    var ranks: [PeerStatus]

    init(_ statuses: [RankStatus]) {
      ranks = statuses.map { status in
        var sighting = PeerStatus(at: 0)
        sighting.update(status, at: 0)
        return sighting
      }
    }

    /// Every rank but those named says at `now` that nothing has changed.
    mutating func repeatAll(at now: Double, except silent: Set<Int> = []) {
      for rank in ranks.indices where !silent.contains(rank) {
        ranks[rank].update(ranks[rank].status, at: now)
      }
    }

    func stall(at now: Double) -> Stall? {
      StallDetector.stall(ranks, at: now, limits: StallJudgeTests.limits)
    }
  }

  private static func working(_ phase: RunPhase, step: Int = 7) -> RankStatus {
    var status = RankStatus()
    (status.step, status.phase, status.progress, status.sequence) = (step, phase, 50, 20)
    return status
  }

  private static func waiting(
    _ call: CollectiveCall = .sumOfGradients, sequence: UInt64 = 21, _ phase: RunPhase = .allreduce
  ) -> RankStatus {
    var status = working(phase)
    (status.call, status.sequence) = (call, sequence)
    return status
  }

  @Test("A job goes on while one rank gets something done, however slowly")
  func progress() {
    var job = Job([Self.waiting(), Self.working(.backward), Self.waiting()])
    for time in stride(from: 20.0, through: 200, by: 20) {
      job.repeatAll(at: time)
      var status = job.ranks[1].status
      status.progress += 1
      job.ranks[1].update(status, at: time)
      #expect(job.stall(at: time + 19) == nil)
    }
    job.repeatAll(at: 229)
    #expect(job.stall(at: 229.9) == nil)
    #expect(job.stall(at: 230) != nil)
  }

  @Test("The rank that is absent from the call in which the others wait is named")
  func absent() {
    var job = Job([Self.waiting(), Self.waiting(), Self.working(.backward), Self.waiting()])
    job.repeatAll(at: 31)
    #expect(
      job.stall(at: 31)
        == Stall(
          rank: 2, status: Self.working(.backward), seconds: 31, cause: .absent,
          others: .init(call: .sumOfGradients, count: 3)))
  }

  @Test("Of several absent ranks, the one that has stood still for longest is named")
  func oldest() {
    var job = Job([Self.working(.log), Self.working(.backward), Self.waiting()])
    var status = job.ranks[0].status
    status.progress += 1
    job.ranks[0].update(status, at: 5)
    job.repeatAll(at: 35)
    #expect(job.stall(at: 34.9) == nil)
    #expect(job.stall(at: 35)?.rank == 1)
    #expect(job.stall(at: 35)?.seconds == 30)
  }

  @Test("A rank that says nothing is named, whatever the others do and whatever it did last")
  func silent() {
    for last in [Self.working(.forward), Self.waiting(), Self.working(.save)] {
      var job = Job([Self.waiting(), last, Self.working(.backward)])
      job.repeatAll(at: 29, except: [1])
      #expect(job.stall(at: 29.9) == nil)
      #expect(
        job.stall(at: 30)
          == Stall(
            rank: 1, status: last, seconds: 30, cause: .silent(seconds: 30),
            others: .init(call: .sumOfGradients, count: 1)))
    }
  }

  @Test("Silence alone is no stall while the job goes on")
  func silentButGoing() {
    var job = Job([Self.waiting(), Self.working(.forward)])
    var status = job.ranks[0].status
    status.progress += 1
    job.ranks[0].update(status, at: 80)
    #expect(job.stall(at: 90) == nil)
  }

  @Test("What a neighbour sees of a silent rank is told, but does not make it speak")
  func observe() {
    var job = Job([Self.waiting(), Self.working(.load, step: 5)])
    var seen = Self.working(.forward, step: 6)
    seen.progress += 3
    job.ranks[1].observe(seen, at: 2)
    var outdated = Self.working(.plan, step: 5)
    outdated.progress -= 1
    job.ranks[1].observe(outdated, at: 3)
    for time in [10.0, 20, 32] {
      job.repeatAll(at: time, except: [1])
      job.ranks[1].observe(seen, at: time)
    }
    let stall = job.stall(at: 32)
    #expect(stall?.cause == .silent(seconds: 32) && stall?.seconds == 30)
    #expect(stall?.step == 6 && stall?.phase == .forward)
  }

  @Test("Of ranks that all wait, the one in the earliest call is named")
  func behind() {
    var job = Job([
      Self.waiting(sequence: 21), Self.waiting(.broadcast, sequence: 20),
      Self.waiting(sequence: 21),
    ])
    job.repeatAll(at: 30)
    let stall = job.stall(at: 30)
    #expect(stall?.rank == 1 && stall?.cause == .mismatched(.broadcast))
    #expect(stall?.others == .init(call: .sumOfGradients, count: 2))
  }

  @Test("Of ranks in calls of the same number, the one that is in another call is named")
  func another() {
    var job = Job([Self.waiting(.barrier), Self.waiting(.barrier), Self.waiting(.gather)])
    job.repeatAll(at: 30)
    #expect(job.stall(at: 30)?.rank == 2)
    #expect(job.stall(at: 30)?.cause == .mismatched(.gather))
  }

  @Test("A rank that has finished while the others wait is named, though it says nothing more")
  func finished() {
    var job = Job([Self.waiting(), Self.working(.finish), Self.waiting()])
    job.repeatAll(at: 30, except: [1])
    #expect(
      job.stall(at: 30)
        == Stall(
          rank: 1, status: Self.working(.finish), seconds: 30, cause: .mismatched(nil),
          others: .init(call: .sumOfGradients, count: 2)))
  }

  @Test("Where no rank is missing, it is told that all wait")
  func together() {
    var job = Job([Self.waiting(), Self.waiting()])
    job.repeatAll(at: 30)
    #expect(job.stall(at: 30)?.cause == .together)
  }

  @Test("Ranks that wait for one that saves are judged by the patience for storage")
  func saving() {
    let others = Self.waiting(.maximum, .save)
    var job = Job([Self.working(.save), others, others])
    job.repeatAll(at: 99)
    #expect(job.stall(at: 99) == nil)
    job.repeatAll(at: 100)
    #expect(job.stall(at: 100)?.rank == 0)
    #expect(job.stall(at: 100)?.phase == .save)
  }

  @Test("A patience for storage below that for training counts too")
  func impatient() {
    let job = Job([Self.working(.save), Self.waiting(.maximum, .save)])
    let limits = StallLimits(training: 30, saving: 10)
    #expect(StallDetector.stall(job.ranks, at: 9, limits: limits) == nil)
    #expect(StallDetector.stall(job.ranks, at: 10, limits: limits)?.rank == 0)
  }

  @Test("Bytes that get through are progress to a rank that waits for its save")
  func movingSave() {
    var status = Self.working(.save)
    status.isSaving = true
    var job = Job([status, Self.waiting(.maximum, .save)])
    for time in stride(from: 90.0, through: 900, by: 90) {
      status.savedBytes += 1
      job.repeatAll(at: time)
      job.ranks[0].update(status, at: time)
      job.repeatAll(at: time + 89)
      #expect(job.stall(at: time + 89) == nil)
    }
    job.repeatAll(at: 1000)
    #expect(job.stall(at: 1000)?.cause == .storage)
  }

  @Test("Bytes written in the background are no progress to a step that hangs")
  func backgroundSave() {
    var status = Self.working(.backward)
    status.isSaving = true
    var job = Job([status, Self.waiting()])
    status.savedBytes = 1000
    job.ranks[0].update(status, at: 30)
    job.ranks[1].update(Self.waiting(), at: 30)
    #expect(job.stall(at: 30)?.cause == .absent)
  }

  @Test("A save in the background that hangs is a stall even while training goes on")
  func hungBackgroundSave() {
    var status = Self.working(.backward)
    (status.isSaving, status.savedBytes) = (true, 77)
    var job = Job([Self.waiting(), status])
    for time in stride(from: 10.0, through: 100, by: 10) {
      #expect(job.stall(at: time - 1) == nil)
      job.repeatAll(at: time)
      status.progress += 1
      job.ranks[1].update(status, at: time)
    }
    let stall = job.stall(at: 100)
    #expect(stall?.rank == 1 && stall?.cause == .storage && stall?.phase == .save)
    status.isSaving = false
    job.ranks[1].update(status, at: 100)
    #expect(job.stall(at: 100) == nil)
  }

  @Test("A rank that ends after an error is given the time to say so")
  func leaving() {
    var status = Self.working(.backward)
    status.isLeaving = true
    var job = Job([status, Self.waiting()])
    job.repeatAll(at: 41)
    #expect(job.stall(at: 41) == nil)
    job.repeatAll(at: 42)
    #expect(job.stall(at: 42)?.rank == 0)
  }

  @Test("A job of one rank is judged too")
  func alone() {
    let job = Job([Self.working(.load, step: 0)])
    #expect(job.stall(at: 29) == nil)
    var heard = job
    heard.repeatAll(at: 30)
    #expect(heard.stall(at: 30)?.cause == .absent)
  }
}
