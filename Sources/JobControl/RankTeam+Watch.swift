import Configuration
import DataParallel
import Foundation
import StallDetection

extension RankTeam {
  /// Starts a thread that ends a stalled job, until the world is finished; collective.
  package func watch(limits: StallLimits) throws {
    let hosts = try broadcast(
      try collective.gather(Array(ProcessInfo.processInfo.hostName.utf8), to: 0)
        .map { String(decoding: $0, as: UTF8.self) })
    try world.watch(limits: limits) { [heartbeat = world.heartbeat] stall in
      heartbeat.markLeaving()
      ErrorExit.terminateAtOnce(TrainingError(stall, host: hosts[stall.rank]))
    }
  }

  /// Sets the limits of that thread to those of a run; collective.
  ///
  /// The configuration of rank 0 counts for all ranks.
  package func setStallLimits(_ configuration: RunConfiguration) throws {
    let own = configuration.train.stallSeconds.map {
      StallLimits(
        training: Double($0), saving: Double(configuration.checkpoint.stallSeconds))
    }
    world.setStallLimits(try broadcast(own) ?? .never)
  }
}

extension TrainingError {
  /// The error of a stall.
  ///
  /// - Parameter host: the name of the node of the stalled rank.
  package init(_ stall: Stall, host: String) {
    let step = stall.step > 0 ? "step \(stall.step), " : ""
    self.init(
      kind: .stalled, place: "rank \(stall.rank), \(step)\(stall.phase.name)",
      reason: Self.reason(stall), cure: Self.cure(stall, host))
  }

  private static func reason(_ stall: Stall) -> String {
    let others = stall.others.map {
      " while \($0.count) other\($0.count == 1 ? " waits" : "s wait") in \($0.call.name)"
    }
    let idle = "no progress for \(Int(stall.seconds)) s\(others ?? "")"
    switch stall.cause {
    case .silent(let seconds): return "\(idle), and no heartbeat from it for \(Int(seconds)) s"
    case .absent: return idle
    case .mismatched(let call):
      return idle + ", and it \(call.map { "waits in \($0.name)" } ?? "has finished")"
    case .together: return "no progress for \(Int(stall.seconds)) s, as all ranks wait"
    case .ended: return "its process has ended without reporting an error"
    case .storage: return "not a byte of a checkpoint was written for \(Int(stall.seconds)) s"
    case .unwatched(let ranks):
      let names = ranks.map { "rank \($0)" }.joined(separator: " or ")
      let monitors = ranks.count == 1 ? "monitor" : "monitors"
      return "\(idle), and no message reaches \(names), the \(monitors) of the job"
    }
  }

  private static func cure(_ stall: Stall, _ host: String) -> String {
    let again = "then start again (train: with --resume auto)"
    switch stall.cause {
    case .silent:
      return "Its process is stopped, or node \(host) cannot be reached: look there, \(again)."
    case .ended:
      return "Look into the kernel's log of node \(host), which tells whether memory ran out, "
        + "\(again)."
    case .storage:
      return "Look at the storage of node \(host), \(again); if it is only slow, raise "
        + "checkpoint.stallSeconds."
    case .together, .unwatched:
      return "Look at the network and the nodes of these ranks, \(again)."
    case .absent, .mismatched:
      let key = stall.phase == .save ? "checkpoint" : "train"
      return "Look at node \(host), \(again); if the rank is only slow, raise \(key).stallSeconds."
    }
  }
}
