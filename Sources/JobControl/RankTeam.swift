import Configuration
import DataParallel
import Files
import Foundation
import MPIKit
import RunRecords
import TensorCore

/// The resources of one rank in a command: the other ranks, the threads, the log.
package struct RankTeam {
  package let world: ParallelWorld
  package let agreement: Agreement
  package let log: RunLog
  package let tracker: PhaseTracker
  /// Whether this rank was asked to stop; always false in a command that catches no signals.
  package var isStopRequested: () -> Bool = { StopSignal.isRequested }

  /// Joins the ranks that the launcher started, requires the same version of all, and starts the
  /// watchdog.
  ///
  /// Every rank calls it once, before it reads any input.
  ///
  /// - Parameters:
  ///   - threads: the value of `--threads`.
  ///   - faults: the injected faults of all ranks.
  /// - Throws: `LaunchError`, `MPIError`, or `TrainingError` for ranks of different versions.
  package static func start(threads: Int?, faults: [Fault] = []) throws -> RankTeam {
    BusError.install(rank: Launcher.rank(in: ProcessInfo.processInfo.environment))
    let timeout = try StallTimeout()
    let startTimeout = StartTimeout(
      seconds: timeout.seconds,
      advice: "; or give the ranks more time by \(StallTimeout.variable)")
    defer { startTimeout.cancel() }
    let team = try join(threads: threads, faults: faults)
    // First of all, because other versions may not send the same messages.
    try team.requireSame([("version of the program", ProgramVersion.current)])
    try team.watch(limits: timeout.limits)
    return team
  }

  /// Joins the ranks that the launcher started.
  package static func join(threads: Int?, faults: [Fault] = []) throws -> RankTeam {
    let world = try ParallelWorld.start(threads: threads)
    BLASLibrary.setThreadCount(world.share.threads)
    return RankTeam(
      world: world, agreement: Agreement(world.collective),
      log: RunLog(rank: world.collective.rank), tracker: PhaseTracker(world, faults: faults))
  }

  package var collective: any Collective { world.collective }
  package var rank: Int { collective.rank }
  package var isRoot: Bool { rank == 0 }
  package var workers: Workers { Workers(count: world.share.threads) }

  /// Logs the resources of the run and the warnings about its launch.
  package func announce() {
    guard isRoot else { return }
    let logger = log.logger
    logger.info("\(world.share.summary), BLAS \(BLASLibrary.kernelName)")
    for warning in world.warnings { logger.warning("\(warning)") }
  }

  /// Logs the warnings since the start; collective.
  package func announceLateWarnings() throws {
    for warning in try world.lateWarnings() { log.logger.warning("\(warning)") }
  }

  /// Limits BLAS to one thread if the bits of a run must not depend on the thread count.
  ///
  /// The bits of a product by OpenBLAS depend on the number of threads.
  package func limitBLASThreads(for configuration: RunConfiguration) {
    if configuration.train.microBatches != nil { BLASLibrary.setThreadCount(1) }
  }

  /// Checks that all ranks run the same program on the same configuration and data; collective.
  ///
  /// - Parameters:
  ///   - facts: the values that must be equal, and their names for the message.
  ///   - cure: the advice for values that differ.
  /// - Throws: `TrainingError` naming the first rank that differs from rank 0, on all ranks.
  package func requireSame(
    _ facts: [(name: String, value: String)],
    cure: String =
      "Install the same program, configuration and dataset under the same paths on all nodes."
  ) throws {
    let separator = "\u{1}"
    let own = facts.map(\.value).joined(separator: separator)
    let all = try collective.gather(Array(own.utf8), to: 0)
    let problem = try broadcast(
      all.indices.lazy.compactMap { rank -> String? in
        let values = String(decoding: all[rank], as: UTF8.self).components(separatedBy: separator)
        return zip(facts, values).first { $0.value != $1 }.map { fact, value in
          let lines = Self.firstDifference(value, fact.value)
          return "rank \(rank) has another \(fact.name) than rank 0: "
            + "\(lines.0.excerpt()) instead of \(lines.1.excerpt())"
        }
      }.first)
    guard let problem else { return }
    throw TrainingError(kind: .disagreement, reason: problem, cure: cure)
  }

  /// The first lines in which two texts differ; an absent one is empty.
  private static func firstDifference(_ text: String, _ other: String) -> (String, String) {
    func lines(_ text: String) -> [String] {
      text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let (own, others) = (lines(text), lines(other))
    let index = zip(own, others).prefix { $0 == $1 }.reduce(0) { count, _ in count + 1 }
    return (index < own.count ? own[index] : "", index < others.count ? others[index] : "")
  }

  /// Runs a closure on every rank; if it fails on one, it fails on all; collective.
  package func together<Value>(_ phase: String, _ body: () throws -> Value) throws -> Value {
    try agreement.together(phase, exitCode: { ExitStatus($0).rawValue }, body)
  }

  /// Runs a closure on every rank, and agrees whether to continue; collective.
  ///
  /// - Returns: the value; nil, on all ranks, if one of them was asked to stop.
  package func togetherUnlessStopped<Value>(
    _ phase: String, _ body: () throws -> Value
  ) throws -> Value? {
    let (value, decision) = try agreement.decide(
      phase, wish: { isStopRequested() ? .stop : .proceed },
      exitCode: { ExitStatus($0).rawValue }, body)
    return decision.kind == .stop ? nil : value
  }

  /// Runs a closure on rank 0 and returns its value on every rank; if it fails, it fails on all;
  /// collective.
  ///
  /// The value is sent as JSON.
  package func onRoot<Value: Codable>(_ phase: String, _ body: () throws -> Value) throws -> Value {
    let document = try onRootOnly(phase) { try JSONEncoder().encode(try body()) }
    return try JSONDecoder().decode(Value.self, from: try broadcast(document ?? Data()))
  }

  /// Runs a closure on rank 0; if it fails, it fails on all ranks; collective.
  package func onRoot(_ phase: String, _ body: () throws -> Void) throws {
    try together(phase) { if isRoot { try body() } }
  }

  /// Runs a closure on rank 0 and returns its value there only; if it fails, it fails on all ranks;
  /// collective.
  ///
  /// - Returns: the value on rank 0, nil elsewhere.
  package func onRootOnly<Value>(_ phase: String, _ body: () throws -> Value) throws -> Value? {
    try together(phase) { isRoot ? try body() : nil }
  }

  /// Returns rank 0's value on every rank; the values of the other ranks are ignored; collective.
  ///
  /// The value is sent as JSON.
  package func broadcast<Value: Codable>(_ value: Value) throws -> Value {
    let document = try JSONEncoder().encode(value)
    return try JSONDecoder().decode(Value.self, from: try broadcast(document))
  }

  private func broadcast(_ document: Data) throws -> Data {
    var count = Int64(document.count)
    try withUnsafeMutableBytes(of: &count) { try collective.broadcast($0, from: 0) }
    var bytes = isRoot ? [UInt8](document) : [UInt8](repeating: 0, count: Int(count))
    try bytes.withUnsafeMutableBytes { try collective.broadcast($0, from: 0) }
    return Data(bytes)
  }
}
