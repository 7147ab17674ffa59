import Files
import TestSupport
import Testing

@testable import RunRecords

@Suite("Run folder: metrics and samples")
struct RunFolderMetricsTests {
  private func row(_ event: MetricsRow.Event, _ step: Int, loss: Double = 1.5) -> MetricsRow {
    MetricsRow(
      event: event, epoch: 1, step: step,
      values: ["loss": loss, "utterances": 80, "time_taken": 0.25])
  }

  private func text(_ folder: TemporaryFolder, _ name: String) throws -> String {
    String(decoding: try FileSystem.readAll(folder.path(name)), as: UTF8.self)
  }

  private static let columns = MetricsColumns(lossTerms: [
    "emotion", "contrastive_modality", "contrastive_utterance", "tcp_classification",
    "tcp_regression", "prototype",
  ])

  private static let header =
    "event,epoch,step,utterances,loss,emotion,contrastive_modality,contrastive_utterance,"
    + "tcp_classification,tcp_regression,prototype,learning_rate,gradient_norm,skipped,accuracy,"
    + "weighted_f1,time_taken,time_elapsed,utterances_per_second\n"

  @Test("Both files have every column in every row")
  func columns() throws {
    try withTemporaryFolder { folder in
      let log = try MetricsLog(Self.columns, folder: folder.path, resumingAt: nil)
      try log.add(row(.train, 1, loss: 0.1))
      try log.add(row(.validation, 1, loss: .nan))
      // Every row is on its way to the device before the log is closed.
      #expect(
        try text(folder, "metrics.csv") == Self.header
          + "train,1,1,80,0.1,,,,,,,,,,,,0.25,,\nvalidation,1,1,80,,,,,,,,,,,,,0.25,,\n")
      let lines = try text(folder, "metrics.jsonl").split(separator: "\n")
      #expect(lines.count == 2)
      #expect(
        lines[0].hasPrefix("{\"event\":\"train\",\"epoch\":1,\"step\":1,\"utterances\":80,"))
      #expect(lines[0].contains("\"loss\":0.1,\"emotion\":null,"))
      #expect(lines[1].contains("\"loss\":null,"))
      try log.close()
    }
  }

  @Test("Only the speed of the machine is in columns named time_* or *_per_second")
  func timeColumns() {
    let times = Self.columns.names.filter {
      $0.hasPrefix("time_") || $0.hasSuffix("_per_second")
    }
    #expect(times == ["time_taken", "time_elapsed", "utterances_per_second"])
  }

  @Test("A row reads back to the same bits")
  func roundTrip() throws {
    try withTemporaryFolder { folder in
      let log = try MetricsLog(Self.columns, folder: folder.path, resumingAt: nil)
      let original = row(.train, 3, loss: 0.1 + 0.2)
      try log.add(original)
      try log.close()
      #expect(try JSONLines<MetricsRow>(folder.path("metrics.jsonl")).values == [original])
    }
  }

  @Test("A resumed run has one row a step, in rising order, whatever the first one left")
  func resuming() throws {
    try withTemporaryFolder { folder in
      let first = try MetricsLog(Self.columns, folder: folder.path, resumingAt: nil)
      for step in 1...5 { try first.add(row(.train, step)) }
      try first.add(row(.validation, 3))
      try first.close()
      let torn = try FileWriter(path: folder.path("metrics.jsonl"), mode: .append)
      try torn.write("{\"event\":\"train\",\"epo")
      try torn.close()

      let second = try MetricsLog(
        Self.columns, folder: folder.path, resumingAt: 3, isValidated: true)
      try second.add(row(.validation, 3))
      for step in 3...6 { try second.add(row(.train, step, loss: 9)) }
      try second.close()
      let rows = try JSONLines<MetricsRow>(folder.path("metrics.jsonl")).values
      #expect(rows.filter { $0.event == .train }.map(\.step) == [1, 2, 3, 4, 5, 6])
      #expect(
        rows.filter { $0.event == .train }.map { $0.values["loss"] == 9 }
          == [false, false, false, true, true, true])
      #expect(rows.filter { $0.event == .validation }.map(\.step) == [3])
      #expect(try text(folder, "metrics.csv") == Self.header + rows.map(Self.columns.csv).joined())
    }
  }

  @Test("A damaged line is left out and named; those behind it stay")
  func damagedLine() throws {
    try withTemporaryFolder { folder in
      let first = try MetricsLog(Self.columns, folder: folder.path, resumingAt: nil)
      for step in 1...5 { try first.add(row(.train, step)) }
      try first.close()
      var lines = try text(folder, "metrics.jsonl").split(separator: "\n").map(String.init)
      lines[1] = String(lines[1].dropFirst(9))
      try FileSystem.write(lines.joined(separator: "\n"), to: folder.path("metrics.jsonl"))
      let second = try MetricsLog(Self.columns, folder: folder.path, resumingAt: 4)
      #expect(second.damagedLines == [2])
      try second.close()
      let kept = try JSONLines<MetricsRow>(folder.path("metrics.jsonl"))
      #expect(kept.values.map(\.step) == [1, 3, 4] && kept.damaged.isEmpty)

      try FileSystem.write(
        "{}\n" + #"{"epoch":1,"step":2,"dialogues":["d"]}"# + "\nx\n{\"ep",
        to: folder.path("samples.jsonl"))
      let samples = try SampleLog(folder: folder.path, resumingAt: 4)
      #expect(samples.damagedLines == [1, 3])
      try samples.close()
      #expect(
        try text(folder, "samples.jsonl") == #"{"epoch":1,"step":2,"dialogues":["d"]}"# + "\n")
    }
  }

  @Test("A run that goes on after its end has one score of the test split, the last")
  func lastTestScore() throws {
    try withTemporaryFolder { folder in
      let first = try MetricsLog(Self.columns, folder: folder.path, resumingAt: nil)
      for event in [.train, .validation, .test] as [MetricsRow.Event] {
        try first.add(row(event, 3))
      }
      try first.close()
      let second = try MetricsLog(
        Self.columns, folder: folder.path, resumingAt: 3, isValidated: true)
      try second.add(row(.test, 6))
      try second.close()
      let rows = try JSONLines<MetricsRow>(folder.path("metrics.jsonl")).values
      #expect(rows.map(\.event) == [.train, .validation, .test] && rows.map(\.step) == [3, 3, 6])
    }
  }

  @Test("The validation at the checkpoint's step stays only if the checkpoint has it behind it")
  func validationAtTheEnd() throws {
    try withTemporaryFolder { folder in
      let first = try MetricsLog(Self.columns, folder: folder.path, resumingAt: nil)
      for step in 1...6 {
        try first.add(row(.train, step))
        if step.isMultiple(of: 3) { try first.add(row(.validation, step)) }
      }
      try first.close()
      func validations(_ step: Int, isValidated: Bool) throws -> [Int] {
        try MetricsLog(
          Self.columns, folder: folder.path, resumingAt: step, isValidated: isValidated
        ).close()
        return try JSONLines<MetricsRow>(folder.path("metrics.jsonl")).values
          .filter { $0.event == .validation }.map(\.step)
      }
      #expect(try validations(6, isValidated: true) == [3, 6])
      #expect(try validations(6, isValidated: false) == [3])
      #expect(try validations(4, isValidated: false) == [3])
      #expect(try validations(3, isValidated: false) == [])
    }
  }

  @Test("A new run starts with empty files, and resuming without files too")
  func fresh() throws {
    try withTemporaryFolder { folder in
      let first = try MetricsLog(Self.columns, folder: folder.path, resumingAt: 7)
      try first.add(row(.train, 1))
      try first.close()
      try MetricsLog(Self.columns, folder: folder.path, resumingAt: nil).close()
      #expect(try text(folder, "metrics.jsonl").isEmpty)
      #expect(try text(folder, "metrics.csv") == Self.header)
    }
  }

  @Test("Samples of an interrupted run are those of an uninterrupted one")
  func samples() throws {
    try withTemporaryFolder { folder in
      let first = try SampleLog(folder: folder.path, resumingAt: nil)
      for step in 1...4 { try first.add(epoch: 1, step: step, dialogues: ["d\(step)", "a\"b"]) }
      try first.close()
      let straight = try text(folder, "samples.jsonl")
      let second = try SampleLog(folder: folder.path, resumingAt: 2)
      for step in 3...4 { try second.add(epoch: 1, step: step, dialogues: ["d\(step)", "a\"b"]) }
      try second.close()
      #expect(try text(folder, "samples.jsonl") == straight)
      #expect(straight.hasPrefix("{\"epoch\":1,\"step\":1,\"dialogues\":[\"d1\",\"a\\\"b\"]}\n"))
    }
  }
}
