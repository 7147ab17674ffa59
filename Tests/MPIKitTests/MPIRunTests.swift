import Foundation
import MPIKit
import TestSupport
import Testing

/// Starts this test program under `mpirun`, where the suites named `...UnderMPI` run.
///
/// By hand, from the package's folder (as root with the variables that `MPIRun` sets):
/// ```
/// timeout -k 5 240 mpirun --oversubscribe -np 4 .build/debug/<package>PackageTests.xctest \
///   --testing-library swift-testing --no-parallel --filter UnderMPI
/// ```
@Suite("Under mpirun", .serialized, .enabled(if: !MPIWorld.isPresent))
struct MPIRunTests {
  @Test("Every suite that needs ranks passes", arguments: [1, 2, 3, 4, 8])
  func suites(ranks: Int) throws {
    let run = try MPIRun(ranks: ranks, filter: "UnderMPI")
    #expect(run.exitCode == 0, "\(run.output)")
    #expect(run.output.contains("passed"), "nothing ran: \(run.output)")
    #expect(!run.output.contains(" 0 tests"), "nothing ran: \(run.output)")
  }

  @Test("abort ends every rank, and mpirun returns its code")
  func abort() throws {
    let run = try MPIRun(ranks: 2, filter: "AbortedRun", variables: ["DFERC_TEST_ABORT": "42"])
    #expect(run.exitCode == 42, "\(run.output)")
    #expect(run.seconds < 30)
  }

  @Test("A test that fails on one rank makes mpirun fail")
  func failure() throws {
    let run = try MPIRun(ranks: 2, filter: "FailedRun", variables: ["DFERC_TEST_FAIL": "1"])
    #expect(run.exitCode != 0, "\(run.output)")
    #expect(run.exitCode != MPIRun.timedOut, "\(run.output)")
  }
}

/// Only `MPIRunTests.abort` switches this on.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["DFERC_TEST_ABORT"] != nil))
struct AbortedRun {
  @Test("Rank 1 aborts while the others wait for it")
  func abort() throws {
    let world = try MPIWorld.communicator()
    if world.rank == 1 {
      let code = ProcessInfo.processInfo.environment["DFERC_TEST_ABORT"].flatMap(Int32.init)
      MPIEnvironment.abort(code: code ?? 1)
    }
    try world.barrier()
    Issue.record("the barrier was passed without rank 1")
  }
}

/// Only `MPIRunTests.failure` switches this on.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["DFERC_TEST_FAIL"] != nil))
struct FailedRun {
  @Test("Rank 1 alone fails")
  func failure() throws {
    let world = try MPIWorld.communicator()
    #expect(world.rank != 1)
    try world.barrier()
  }
}

/// One run of this test program under `mpirun`, with a hard limit of its time.
private struct MPIRun {
  /// What `timeout` returns when it had to end the run.
  static let timedOut: Int32 = 124

  let exitCode: Int32
  let output: String
  let seconds: Double

  init(ranks: Int, filter: String, variables: [String: String] = [:]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "timeout", "-k", "5", "240", "mpirun", "-np", "\(ranks)",
      try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"),
      "--testing-library", "swift-testing", "--no-parallel", "--filter", filter,
    ]
    process.environment = Self.environment(variables)
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    let start = Date()
    try process.run()
    // Reads to the end before it waits, or a full pipe would stop the run.
    let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    exitCode = process.terminationStatus
    output = String(decoding: bytes, as: UTF8.self)
    seconds = Date().timeIntervalSince(start)
  }

  private static func environment(_ variables: [String: String]) -> [String: String] {
    var environment = ProcessInfo.processInfo.environment
    environment["OMPI_MCA_rmaps_base_oversubscribe"] = "1"
    if geteuid() == 0 {
      environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
      environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    }
    return environment.merging(variables) { $1 }
  }
}
