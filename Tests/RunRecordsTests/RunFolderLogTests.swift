import Files
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import RunRecords

/// Keeps what is written to a terminal.
private final class Screen: Sendable {
  private let content = Mutex("")

  var text: String { content.withLock { $0 } }

  func terminal(isInteractive: Bool, width: Int = 80) -> Terminal {
    Terminal(isInteractive: isInteractive, columns: { width }) { text in
      self.content.withLock { $0 += text }
    }
  }
}

@Suite("Run folder: log and progress")
struct RunFolderLogTests {
  private func snapshot(step: Int) -> ProgressSnapshot {
    ProgressSnapshot(
      epoch: 2, epochs: 10, step: step, steps: 400, loss: 1.25, utterancesPerSecond: 1830.4,
      secondsLeft: 83)
  }

  @Test("Rank 0 says everything, the others warnings and errors with their number")
  func ranks() {
    let first = Screen()
    let other = Screen()
    let loggers = [
      RunLog(rank: 0, terminal: first.terminal(isInteractive: false)).logger,
      RunLog(rank: 3, terminal: other.terminal(isInteractive: false)).logger,
    ]
    for logger in loggers {
      logger.info("starts", metadata: ["threads": "2", "ranks": "4"])
      logger.warning("slow")
      logger.error("bad")
      logger.debug("detail")
    }
    #expect(first.text == "starts ranks=4 threads=2\nwarning: slow\nerror: bad\n")
    #expect(other.text == "rank 3: warning: slow\nrank 3: error: bad\n")
  }

  @Test("The error that ends the program is the last line of log.txt, and told only once")
  func lastWords() throws {
    try withTemporaryFolder { folder in
      let screen = Screen()
      let log = RunLog(rank: 0, terminal: screen.terminal(isInteractive: false))
      try log.open(folder.path("log.txt"))
      log.programEnds(with: "this is a bug")
      let content = String(
        decoding: try FileSystem.readAll(folder.path("log.txt")), as: UTF8.self)
      #expect(content.hasSuffix("Z error this is a bug\n") && screen.text.isEmpty)
    }
  }

  @Test("log.txt holds every line with its time, those from before it was open too")
  func logFile() throws {
    try withTemporaryFolder { folder in
      let screen = Screen()
      let log = RunLog(rank: 0, terminal: screen.terminal(isInteractive: false))
      log.logger.info("early")
      try log.open(folder.path("log.txt"))
      log.logger.warning("late")
      let content = try FileSystem.readAll(folder.path("log.txt"))
      let lines = String(decoding: content, as: UTF8.self).split(separator: "\n")
      try #require(lines.count == 2)
      let pattern = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (info early|warning late)/
      #expect(lines.allSatisfy { $0.wholeMatch(of: pattern) != nil }, "\(lines)")
    }
  }

  @Test("In a file, progress is a plain line every ten seconds")
  func plainProgress() {
    let screen = Screen()
    let log = RunLog(rank: 0, terminal: screen.terminal(isInteractive: false))
    let start = ContinuousClock.now
    for second in 0..<25 { log.show(snapshot(step: second), now: start + .seconds(second)) }
    let line = "loss 1.2500  1830 utterances/s  1:23 left\n"
    #expect(
      screen.text == "epoch 2/10  step 0/400  \(line)epoch 2/10  step 10/400  \(line)"
        + "epoch 2/10  step 20/400  \(line)")
  }

  @Test("On a terminal, progress is redrawn in place and log lines stand above it")
  func interactiveProgress() {
    let screen = Screen()
    let log = RunLog(rank: 0, terminal: screen.terminal(isInteractive: true, width: 40))
    let start = ContinuousClock.now
    log.show(snapshot(step: 1), now: start)
    log.show(snapshot(step: 2), now: start + .milliseconds(50))
    log.show(snapshot(step: 3), now: start + .milliseconds(150))
    log.logger.info("saved")
    log.clearProgress()
    let clear = "\r\u{1B}[K"
    #expect(
      screen.text == "\(clear)epoch 2/10  step 1/400  loss 1.2500  18"
        + "\(clear)epoch 2/10  step 3/400  loss 1.2500  18" + "\(clear)saved\n")
  }

  @Test("Ranks other than 0 show no progress")
  func silentRanks() {
    let screen = Screen()
    RunLog(rank: 1, terminal: screen.terminal(isInteractive: true)).show(snapshot(step: 1))
    #expect(screen.text.isEmpty)
  }

  @Test("The line never reaches the last column, and a bar fills what is left")
  func progressWidth() {
    for width in 1...200 {
      #expect(snapshot(step: 100).line(width: width).count <= max(1, width - 1))
    }
    let line = snapshot(step: 100).line(width: 200)
    #expect(line.hasPrefix("[##########..............................]  epoch 2/10"))
  }

  @Test("The meter tells the speed of the last steps and the time that is left")
  func meter() {
    let start = ContinuousClock.now
    var meter = ProgressMeter(epochs: 2, steps: 100, now: start)
    var last: ProgressSnapshot?
    for step in 1...10 {
      last = meter.advance(
        epoch: 1, step: step, loss: 1, utterances: 80, now: start + .milliseconds(100 * step))
    }
    // Ten equal steps: the fading weights cancel up to rounding.
    #expect(abs((last?.utterancesPerSecond ?? 0) - 800) < 1e-6)
    #expect(abs((last?.secondsLeft ?? 0) - 9) < 1e-6)
    // Ten minutes of evaluation do not count.
    meter.skip(to: start + .seconds(600))
    last = meter.advance(
      epoch: 1, step: 11, loss: 1, utterances: 80, now: start + .milliseconds(600_100))
    #expect(abs((last?.utterancesPerSecond ?? 0) - 800) < 1e-6)
  }

  @Test(
    "Spans of time are told in the way of clocks",
    arguments: [
      (0.0, "0:00"), (59.6, "1:00"), (83, "1:23"), (3600, "1:00:00"), (86_399, "23:59:59"),
      (.infinity, "?"), (.nan, "?"), (-1, "?"),
    ])
  func durations(seconds: Double, text: String) {
    #expect(String(seconds: seconds) == text)
  }
}
