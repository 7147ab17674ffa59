import Files
import Foundation
import TensorCore
import TestSupport
import Testing

/// Runs the built program, with or without `mpirun`, and collects its output.
struct Program {
  let status: Int32
  let output: String
  let errors: String

  init(_ arguments: String...) throws { try self.init(arguments) }

  /// - Parameters:
  ///   - ranks: the number of ranks under `mpirun`; nil to run it without `mpirun`.
  ///   - wrapper: a command that starts the program on each rank.
  ///   - environment: variables in addition to ``environment``.
  init(
    _ arguments: [String], ranks: Int? = nil, wrapper: [String] = [],
    environment: [String: String] = [:]
  ) throws {
    let process = Process()
    // A program that hangs is killed and fails the test.
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

  /// The environment that Open MPI needs as root and with more ranks than cores.
  static var environment: [String: String] {
    ProcessInfo.processInfo.environment.merging([
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
      "OMPI_MCA_rmaps_base_oversubscribe": "1",
    ]) { $1 }
  }

  /// The program of this build, in the folder of the test runner.
  static var executable: URL {
    get throws {
      let runner = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
      let program = runner.deletingLastPathComponent().appendingPathComponent("dferc-dist")
      try #require(FileSystem.exists(program.path), "\(program.path) has not been built")
      return program
    }
  }
}
