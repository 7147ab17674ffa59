import Files
import Foundation
import Glibc
import TensorCore
import TestSupport
import Testing

/// The built program as a running process that can be signalled.
final class LiveProgram {
  private let process = Process()
  private let folder: TemporaryFolder
  private let deadline = ContinuousClock.now + .seconds(120)

  /// Starts the program.
  ///
  /// - Parameter ranks: the number of ranks under `mpirun`; nil to start it without `mpirun`.
  init(_ arguments: [String], ranks: Int? = nil) throws {
    folder = try TemporaryFolder()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let launcher = ranks.map { ["mpirun", "-np", "\($0)"] } ?? []
    process.arguments = launcher + [try Program.executable.path] + arguments
    process.environment = Program.environment
    for path in [outputPath, errorPath] { try FileSystem.write("", to: path) }
    process.standardOutput = FileHandle(forWritingAtPath: outputPath)
    process.standardError = FileHandle(forWritingAtPath: errorPath)
    process.standardInput = FileHandle.nullDevice
    // The threads of a test block signals, and a child process inherits the mask.
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
  }

  deinit {
    guard process.isRunning else { return }
    for rank in ranks { kill(rank, SIGKILL) }
    process.terminate()
    process.waitUntilExit()
  }

  private var outputPath: String { folder.path("out") }
  private var errorPath: String { folder.path("err") }

  /// The process that was started: `mpirun`, or the program itself.
  var launcher: Int32 { process.processIdentifier }

  /// The processes that `mpirun` has started, in the order of their ranks.
  var ranks: [Int32] {
    let names = (try? FileSystem.list("/proc")) ?? []
    return names.compactMap { Int32($0) }.filter { parent(of: $0) == launcher }.sorted()
  }

  var errors: String { text(errorPath) }

  /// Whether the process that was started is running.
  var isRunning: Bool { process.isRunning }

  /// Waits until a condition holds; fails the test if the program ends or the time is over.
  func wait(until condition: () -> Bool) throws {
    while !condition() {
      try #require(process.isRunning, "the program has ended: \(errors)")
      try #require(ContinuousClock.now < deadline, "waited in vain: \(errors)")
      usleep(2000)
    }
  }

  /// Waits until a process catches SIGUSR1, after which no signal must be lost.
  func waitUntilSignalsAreCaught(by pid: Int32) throws {
    try wait { Self.catches(SIGUSR1, pid) }
  }

  /// Waits until the program ends.
  ///
  /// - Returns: the exit code, or the signal's number negated.
  func finish() throws -> Int32 {
    while process.isRunning {
      try #require(ContinuousClock.now < deadline, "it does not end: \(errors)")
      usleep(2000)
    }
    let status = process.terminationStatus
    return process.terminationReason == .exit ? status : -status
  }

  private func text(_ path: String) -> String {
    String(decoding: (try? FileSystem.readAll(path)) ?? [], as: UTF8.self)
  }

  /// Field 4 of `/proc/<pid>/stat`.
  private func parent(of pid: Int32) -> Int32? {
    guard let text = KernelFile.text("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[end...].split(separator: " ")
    return fields.count > 2 ? Int32(fields[2]) : nil
  }

  private static func catches(_ signal: Int32, _ pid: Int32) -> Bool {
    let line = KernelFile.text("/proc/\(pid)/status")?.split(separator: "\n")
      .first { $0.hasPrefix("SigCgt:") }
    guard let mask = line?.split(separator: "\t").last.flatMap({ UInt64($0, radix: 16) }) else {
      return false
    }
    return mask & 1 << UInt64(signal - 1) != 0
  }
}
