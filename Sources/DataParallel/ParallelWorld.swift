import Foundation
import MPIKit

/// The ranks of this run, from its start to its end.
public final class ParallelWorld {
  /// What the ranks do together.
  public let collective: any Collective

  /// What this rank computes with.
  public let share: ProcessorShare

  /// What is wrong with the way the run was started, each with its cure; complete on rank 0.
  public let warnings: [String]

  private let environment: MPIEnvironment?

  /// Joins the ranks that the launcher started, or starts alone where there is no launcher.
  ///
  /// Every rank must call it, once, on the main thread and before it reads any input; it blocks
  /// until all have.
  ///
  /// - Parameters:
  ///   - threads: The value of `--threads`.
  ///   - variables: The environment variables of this process.
  /// - Throws: ``LaunchError`` for a launcher whose ranks cannot find each other, ``MPIError``.
  public static func start(
    threads: Int? = nil,
    variables: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> ParallelWorld {
    try Launcher.refuseStrayTasks(in: variables)
    guard Launcher.isPresent(in: variables) else {
      let share = ProcessorShare.ofSoloProgram(threads: threads, variables: variables)
      return ParallelWorld(SoloCollective(), share, share.warnings, nil)
    }
    let environment = try MPIEnvironment.initialize(variables: variables, node: .ofThisNode())
    let world = environment.world
    let share = try ProcessorShare.measure(
      NodeLayout(of: world), threads: threads, variables: variables)
    let isCrowded = try world.allReduce(value: Int64(share.ranksOutnumberCores ? 1 : 0), .maximum)
    let collective = try MPICollective(over: world, isNapping: isCrowded == 1)
    var warnings = share.warnings
    if environment.threadLevel < .multiple {
      warnings.append("this MPI library does not allow several threads to call it at once.")
    }
    return ParallelWorld(
      collective, share, try shareWarnings(warnings, collective), environment)
  }

  init(
    _ collective: any Collective, _ share: ProcessorShare, _ warnings: [String],
    _ environment: MPIEnvironment?
  ) {
    self.collective = collective
    self.share = share
    self.warnings = warnings
    self.environment = environment
  }

  /// What has come up since the start, such as too little shared memory; complete on rank 0.
  ///
  /// Collective.
  public func lateWarnings() throws -> [String] {
    let own = (collective as? MPICollective)?.warnings ?? []
    return try Self.shareWarnings(own, collective)
  }

  /// Collects the warnings of all ranks on rank 0, each once, with the first rank that has it.
  static func shareWarnings(
    _ own: [String], _ collective: any Collective
  ) throws -> [String] {
    let all = try collective.gather(Array(own.joined(separator: "\n").utf8), to: 0)
    var warnings = own
    for (rank, bytes) in all.enumerated() {
      for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
      where !warnings.contains(where: { $0.hasSuffix(line) }) {
        warnings.append("rank \(rank): \(line)")
      }
    }
    return warnings
  }

  /// Ends in good order.
  ///
  /// Every rank must call it, and only when all of them succeeded or have agreed to end; it blocks
  /// until all have. After it, each rank may return its exit code.
  public func finish() throws {
    try environment?.finalize()
  }

  /// Ends all ranks at once, from any of them; for trouble that cannot be agreed on any more.
  public static func abort(code: Int32) -> Never {
    MPIEnvironment.abort(code: code)
  }
}
