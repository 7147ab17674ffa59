import DataParallel
import Foundation
import MPIKit
import StallDetection

/// The ranks of a job, from its start to its end.
package final class ParallelWorld {
  /// The collective operations of the ranks.
  package let collective: any Collective

  /// The state of this rank, as its watchdog reads it.
  package let heartbeat: Heartbeat

  /// The cores and threads of this rank.
  package let share: ProcessorShare

  /// Warnings about the launch, each with its cure; complete on rank 0.
  package let warnings: [String]

  /// The nodes and the shared memory of the ranks; nil without a launcher.
  ///
  /// It is wrapped by ``collective``; a call of its own would not be watched.
  package let mpi: MPICollective?

  private let environment: MPIEnvironment?
  private var watchdog: Watchdog?

  /// Joins the ranks that a launcher started, or makes a single rank without a launcher.
  ///
  /// Every rank must call it, once, on the main thread and before it reads any input; it blocks
  /// until all have.
  ///
  /// - Parameters:
  ///   - threads: The value of `--threads`.
  ///   - variables: The environment variables of this process.
  /// - Throws: ``LaunchError`` for a launcher whose ranks cannot connect to each other,
  ///   ``MPIError``.
  package static func start(
    threads: Int? = nil,
    variables: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> ParallelWorld {
    try Launcher.refuseStrayTasks(in: variables)
    guard Launcher.isPresent(in: variables) else {
      let share = ProcessorShare.ofSoloProgram(threads: threads, variables: variables)
      return ParallelWorld(SoloCollective(), share, share.warnings, nil, nil)
    }
    let environment = try MPIEnvironment.initialize(variables: variables, node: .ofThisNode())
    let world = environment.world
    try Launcher.refuseStrayTasks(in: variables, worldSize: world.size)
    let share = try ProcessorShare.measure(
      NodeLayout(of: world), threads: threads, variables: variables)
    let isCrowded = try world.allReduce(value: Int64(share.ranksOutnumberCores ? 1 : 0), .maximum)
    let collective = try MPICollective(over: world, yieldsWhenIdle: isCrowded == 1)
    var warnings = share.warnings
    if environment.threadLevel < .multiple {
      warnings.append("this MPI library does not allow several threads to call it at once.")
    }
    return ParallelWorld(
      collective, share, try shareWarnings(warnings, collective), environment, collective)
  }

  package init(
    _ collective: any Collective, _ share: ProcessorShare, _ warnings: [String],
    _ environment: MPIEnvironment?, _ mpi: MPICollective?
  ) {
    let heartbeat = Heartbeat()
    self.heartbeat = heartbeat
    self.collective = WatchedCollective(collective, heartbeat: heartbeat)
    self.mpi = mpi
    self.share = share
    self.warnings = warnings
    self.environment = environment
  }

  /// Warnings since the start, such as too little shared memory; complete on rank 0.
  ///
  /// Collective.
  package func lateWarnings() throws -> [String] {
    try Self.shareWarnings(mpi?.warnings ?? [], collective)
  }

  /// Collects the warnings of all ranks on rank 0, each once, with the first rank that has it.
  package static func shareWarnings(
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

  /// Starts a thread that detects a stalled job, until ``finish()``.
  ///
  /// Collective, with the same limits on all ranks. Progress is what the ranks record in
  /// ``heartbeat``; waiting in a collective call is none.
  ///
  /// - Parameters:
  ///   - limits: The largest numbers of seconds without progress.
  ///   - onStall: Called on that thread with the rank that causes the stall; has to end the
  ///     process. Usually one rank calls it; others do only if that one does not end the job.
  package func watch(
    limits: StallLimits, onStall: @escaping @Sendable (Stall) -> Void
  ) throws(MPIError) {
    precondition(watchdog == nil, "the job is watched already")
    let observers = RankMonitor.observers(
      nodeOfRank: mpi?.layout.nodeOfRank ?? [Int](repeating: 0, count: collective.size))
    var exchange: StatusExchange?
    var neighbour: NextRankOnNode?
    if let environment, let mpi, environment.threadLevel == .multiple {
      exchange = try StatusExchange(over: environment.world.duplicate(), observers: observers)
      neighbour = try NextRankOnNode.find(in: mpi.layout, rank: mpi.rank, moving: heartbeat)
    }
    let watchdog = Watchdog(
      rank: collective.rank, size: collective.size, observers: observers, heartbeat: heartbeat,
      neighbour: neighbour, exchange: exchange, limits: limits, onStall: onStall)
    self.watchdog = watchdog
    watchdog.run()
  }

  /// Replaces the limits of ``watch(limits:onStall:)``, by the same ones on all ranks.
  package func setStallLimits(_ limits: StallLimits) {
    precondition(watchdog != nil, "the job is not watched")
    watchdog?.setLimits(limits)
  }

  /// Finalizes MPI and ends the watchdog.
  ///
  /// Every rank must call it, and only when all of them succeeded or have agreed to end; it blocks
  /// until all have. After it, each rank may return its exit code.
  package func finish() throws {
    heartbeat.enter(.finish)
    endMessages()
    try environment?.finalize()
    watchdog?.stop()
    watchdog = nil
  }

  /// Ends the exchange of heartbeats; blocks until all ranks have called it.
  package func endMessages() {
    watchdog?.endMessages()
    // MPI frees the shared memory of the node.
    heartbeat.moveBack()
  }
}
