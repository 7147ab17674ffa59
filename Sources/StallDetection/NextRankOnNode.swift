import Files
import Foundation
import MPIKit

/// The next rank on this node, whose heartbeat this rank can read.
///
/// A process that is stopped or has ended sends no status. The heartbeats of a node are in shared
/// memory, and each rank reports the state of the next one with its own.
package struct NextRankOnNode {
  /// Its rank in the job.
  package let rank: Int

  private let cells: HeartbeatCells
  /// Its process identifier; nil if it is in another process namespace.
  private let process: pid_t?

  /// Moves a heartbeat into shared memory and finds the neighbour there; collective.
  ///
  /// - Parameters:
  ///   - layout: the nodes of the job.
  ///   - rank: this rank.
  ///   - heartbeat: the heartbeat of this rank, which is moved into shared memory.
  /// - Returns: nil for a rank that is alone on its node, or if there is not enough shared memory.
  package static func find(
    in layout: NodeLayout, rank: Int, moving heartbeat: Heartbeat
  ) throws(MPIError) -> NextRankOnNode? {
    let node = layout.node
    // A folder that cannot be read counts as full.
    let free = (try? FileSystem.freeBytes(at: SharedMemoryWindow.backingDirectory)) ?? 0
    let window = try SharedMemoryWindow.allocate(
      bytesPerRank: HeartbeatCells.byteCount, on: node, freeBytes: free)
    guard node.size > 1, let window else { return nil }
    let own = HeartbeatCells(clearing: window.parts[node.rank])
    own[.process] = UInt64(getpid())
    own[.processNamespace] = processNamespace
    heartbeat.move(to: own)
    try window.synchronize()
    let next = (node.rank + 1) % node.size
    let ranks = layout.nodeOfRank.indices.filter {
      layout.nodeOfRank[$0] == layout.nodeOfRank[rank]
    }
    return NextRankOnNode(
      rank: ranks[next], cells: HeartbeatCells(window.parts[next]), own: own)
  }

  private init(rank: Int, cells: HeartbeatCells, own: HeartbeatCells) {
    self.rank = rank
    self.cells = cells
    let namespace = own[.processNamespace]
    let number = pid_t(truncatingIfNeeded: cells[.process])
    let isVisible = namespace != 0 && namespace == cells[.processNamespace] && kill(number, 0) == 0
    process = isVisible ? number : nil
  }

  /// The number of this process's process namespace, as containers have their own; 0 if the kernel
  /// does not report it.
  private static var processNamespace: UInt64 {
    let name = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
    return name.flatMap { UInt64($0.filter(\.isNumber)) } ?? 0
  }

  /// Its current or last state.
  package var status: RankStatus { cells.status }

  /// Whether its process has ended although its status does not announce an end.
  package var hasEnded: Bool {
    guard let process, !status.isLeaving, status.phase != .finish else { return false }
    return kill(process, 0) != 0 && errno == ESRCH
  }
}
