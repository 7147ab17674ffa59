import DataParallel
import Foundation
import TensorCore

/// What one rank needs to take part in a command: the others, its threads, its voice.
struct RankTeam {
  let world: ParallelWorld
  let agreement: Agreement
  let log: RunLog

  /// Joins the ranks that the launcher started.
  ///
  /// Every rank calls it once, before it reads any input.
  static func start(threads: Int?) throws -> RankTeam {
    let world = try ParallelWorld.start(threads: threads)
    BLASLibrary.setThreadCount(world.share.threads)
    return RankTeam(
      world: world, agreement: Agreement(world.collective), log: RunLog(rank: world.collective.rank)
    )
  }

  var collective: any Collective { world.collective }
  var rank: Int { collective.rank }
  var isFirst: Bool { rank == 0 }
  var workers: Workers { Workers(count: world.share.threads) }

  /// Says with what this run computes, and what is wrong with that.
  func announce() {
    guard isFirst else { return }
    let logger = log.logger
    logger.info("\(world.share.summary), BLAS \(BLASLibrary.kernelName)")
    for warning in world.warnings { logger.warning("\(warning)") }
  }

  /// Runs a piece of work on every rank; where it fails on one, it fails on all; collective.
  func together<Value>(_ phase: String, _ body: () throws -> Value) throws -> Value {
    try agreement.together(phase, exitCode: { ExitStatus($0).rawValue }, body)
  }

  /// Runs a piece of work on rank 0 alone; where it fails, it fails on all ranks; collective.
  ///
  /// - Returns: the value on rank 0, nil elsewhere.
  func onFirst<Value>(_ phase: String, _ body: () throws -> Value) throws -> Value? {
    try together(phase) { isFirst ? try body() : nil }
  }

  /// Hands rank 0's value to all ranks, as JSON; collective, and the other ranks' values are lost.
  func shared<Value: Codable>(_ value: Value) throws -> Value {
    var bytes = [UInt8](try JSONEncoder().encode(value))
    var count = Int64(bytes.count)
    try withUnsafeMutableBytes(of: &count) { try collective.broadcast($0, from: 0) }
    bytes = isFirst ? bytes : [UInt8](repeating: 0, count: Int(count))
    try bytes.withUnsafeMutableBytes { try collective.broadcast($0, from: 0) }
    return try JSONDecoder().decode(Value.self, from: Data(bytes))
  }
}
