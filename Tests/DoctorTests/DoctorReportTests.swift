import Files
import Foundation
import TestSupport
import Testing

@testable import Doctor

@Suite("Doctor: the report")
struct DoctorReportTests {
  private func ranks(_ findings: [(host: String, own: [Finding], node: [Finding])])
    -> [RankFindings]
  {
    findings.map { RankFindings(host: $0.host, ofRank: $0.own, ofNode: $0.node) }
  }

  @Test("Equal findings are merged, and a finding says where it holds")
  func merging() throws {
    let fine = Finding.ok(.processor, "fine")
    let slow = Finding.warning(.threads, "slow", cure: "Hurry.")
    let full = Finding.error(.memory, "full", cure: "Empty it.")
    var findings = ranks([
      ("a", [fine], [.ok(.memory, "room")]), ("a", [fine, slow], []),
      ("b", [fine], [full]), ("b", [fine, slow], []),
    ])
    findings[0].ofJob = [.ok(.mpi, "together")]
    let report = HealthReport(findings)
    #expect(report.errors == 1 && report.warnings == 1 && report.ranks == 4)
    #expect(
      report.findings.map(\.finding.message) == ["fine", "together", "slow", "room", "full"])
    #expect(
      report.text == """
        ok       processor  fine
        ok       mpi        together
        warning  threads    slow (ranks 1, 3)
                            Cure: Hurry.
        ok       memory     room (on a)
        error    memory     full (on b)
                            Cure: Empty it.

        1 error, 1 warning

        """)
  }

  @Test("A report without trouble says so, and long lines are wrapped")
  func wrapping() {
    let message = Array(repeating: "word", count: 40).joined(separator: " ")
    let report = HealthReport(ranks([("a", [.ok(.blas, message)], [])]))
    let lines = report.text.split(separator: "\n")
    #expect(lines.count == 4 && lines.last == "everything is in order")
    #expect(lines.allSatisfy { $0.count <= 96 })
    #expect(lines[1].hasPrefix(String(repeating: " ", count: 20) + "word"))
    #expect(report.text.components(separatedBy: "word").count == 41)
  }

  @Test("The JSON has a flat object for each finding")
  func json() throws {
    let report = HealthReport(ranks([("a", [.warning(.blas, "slow", cure: "Hurry.")], [])]))
    let object = try JSONSerialization.jsonObject(with: Data(JSONText.document(report).utf8))
    let root = try #require(object as? [String: Any])
    #expect(root["warnings"] as? Int == 1 && root["errors"] as? Int == 0)
    let finding = try #require((root["findings"] as? [[String: Any]])?.first)
    #expect(finding["area"] as? String == "blas" && finding["severity"] as? String == "warning")
    #expect(finding["message"] as? String == "slow" && finding["cure"] as? String == "Hurry.")
    #expect(finding["ranks"] as? [Int] == [0] && finding["hosts"] as? [String] == ["a"])
  }

  @Test("The first sentence of a warning is what is wrong, the rest the cure")
  func sentences() {
    let both = Finding.warning(.threads, sentences: "2.5 cores are few. Start less. Or wait.")
    #expect(both.message == "2.5 cores are few" && both.cure == "Start less. Or wait.")
    let one = Finding.warning(.threads, sentences: "no threads at once.")
    #expect(one.message == "no threads at once" && one.cure == nil)
  }

  @Test("Ranks with another program are an error, with another kernel or thread count a warning")
  func differences() {
    let facts = [
      "program_version": "1", "blas_kernel": "Haswell", "blas_version": "x", "c_library": "y",
      "threads": "1",
    ]
    #expect(LaunchProbe.differences(between: [facts, facts]).isEmpty)
    for (key, severity) in [
      ("program_version", Finding.Severity.error), ("blas_kernel", .warning),
      ("threads", .warning), ("c_library", .warning),
    ] {
      var other = facts
      other[key] = "0"
      let found = LaunchProbe.differences(between: [facts, other, facts])
      #expect(found.map(\.severity) == [severity], "\(key)")
      #expect(found.first?.message.contains("0 / \(facts[key] ?? "")") == true)
    }
  }
}

@Suite("Doctor: storage")
struct StorageProbeTests {
  private static let disk = MountTable("1 0 8:1 / / rw - ext4 /dev/sda1 rw")

  @Test("A folder that can be written is left as it was")
  func writable() throws {
    try withTemporaryFolder { folder in
      let probe = StorageProbe(folder: folder.path, run: TypicalRun(), table: Self.disk)
      #expect(probe.failure == nil)
      #expect(probe.findings.contains { $0.severity == .ok && $0.message.contains("(ext4)") })
      let leftovers = try FileSystem.list(folder.path)
      #expect(leftovers.isEmpty)
    }
  }

  @Test("A folder that cannot be written is an error that keeps its reason")
  func missing() throws {
    try withTemporaryFolder { folder in
      let probe = StorageProbe(folder: folder.path("none"), run: TypicalRun(), table: Self.disk)
      #expect(probe.failure?.isOutput == true && probe.failure?.isMissing == false)
      #expect(probe.findings.first?.severity == .error)
    }
  }

  @Test("Files in memory are warned of")
  func volatile() throws {
    try withTemporaryFolder { folder in
      let table = MountTable("1 0 8:1 / / rw - tmpfs tmpfs rw")
      let probe = StorageProbe(folder: folder.path, run: TypicalRun(), table: table)
      #expect(probe.findings.contains { $0.severity == .warning && $0.message.contains("memory") })
    }
  }

  @Test("A checkpoint holds the parameters and both moments")
  func sizes() {
    let run = TypicalRun()
    // The model of the paper at MELD's widths has 5.3 million parameters.
    #expect((5_200_000...5_400_000).contains(run.parameterCount))
    #expect(run.checkpointBytes == 12 * run.parameterCount)
    #expect(run.runFolderBytes == 5 * run.checkpointBytes)
  }

  @Test("A node that does not see rank 0's folder is told so")
  func unseen() throws {
    try withTemporaryFolder { folder in
      #expect(ProbeFile.finding(at: "") == nil)
      #expect(ProbeFile.finding(at: folder.path) == nil)
      #expect(ProbeFile.finding(at: folder.path("gone/file"))?.severity == .warning)
    }
  }
}
