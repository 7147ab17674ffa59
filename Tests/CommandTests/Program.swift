import Files
import Foundation
import TensorCore
import TestSupport
import Testing

/// Runs the built program as a user does, alone or under `mpirun`.
struct Program {
  let status: Int32
  let output: String
  let errors: String

  init(_ arguments: String...) throws { try self.init(arguments) }

  /// - Parameters:
  ///   - arguments: of the program.
  ///   - ranks: start it under `mpirun` with so many; nil for alone.
  ///   - wrapper: a command that starts the program on each rank.
  ///   - environment: added to that of the test.
  init(
    _ arguments: [String], ranks: Int? = nil, wrapper: [String] = [],
    environment: [String: String] = [:]
  ) throws {
    let process = Process()
    // A run that hangs must end the test, not the patience of whoever waits for it.
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let launcher = ranks.map { ["mpirun", "-np", "\($0)"] } ?? []
    process.arguments =
      ["timeout", "-k", "5", "240"] + launcher + wrapper + [try Self.executable.path] + arguments
    process.environment = Self.environment.merging(environment) { $1 }
    let folder = try TemporaryFolder()
    let (output, errors) = (folder.path("out"), folder.path("err"))
    for path in [output, errors] { try FileSystem.write("", to: path) }
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: errors)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    status = process.terminationStatus
    self.output = String(decoding: try FileSystem.readAll(output), as: UTF8.self)
    self.errors = String(decoding: try FileSystem.readAll(errors), as: UTF8.self)
  }

  /// What Open MPI needs as root, in a container and with more ranks than cores.
  static var environment: [String: String] {
    ProcessInfo.processInfo.environment.merging([
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
      "OMPI_MCA_rmaps_base_oversubscribe": "1",
    ]) { $1 }
  }

  /// The program stands beside the test runner, in the folder of this build.
  static var executable: URL {
    get throws {
      let runner = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
      let program = runner.deletingLastPathComponent().appendingPathComponent("dferc-dist")
      try #require(FileSystem.exists(program.path), "\(program.path) has not been built")
      return program
    }
  }
}
