import Files
import Foundation
import MPIKit

/// The next rank on this node, whose heartbeat this rank sees.
///
/// A process that is stopped or has ended cannot say what it was doing. The heartbeats of a node lie
/// in shared memory, and each rank tells of the next one along with itself.
package struct NextRankOnNode {
  /// Its place among all ranks.
  package let rank: Int

  private let cells: HeartbeatCells
  /// Its process, where both are in one process namespace, so that the number means the same.
  private let process: pid_t?

  /// Moves a heartbeat into shared memory and finds the neighbour there; collective.
  ///
  /// - Parameters:
  ///   - layout: of the job.
  ///   - rank: this rank.
  ///   - heartbeat: of this rank.
  /// - Returns: nil for a rank that is alone on its node, and where memory is short.
  package static func find(
    in layout: NodeLayout, rank: Int, moving heartbeat: Heartbeat
  ) throws(MPIError) -> NextRankOnNode? {
    let node = layout.node
    // A folder that cannot be looked at has no room.
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

  /// A number for the process namespace that this process is in, as containers have their own; 0
  /// where the kernel does not tell.
  private static var processNamespace: UInt64 {
    let name = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
    return name.flatMap { UInt64($0.filter(\.isNumber)) } ?? 0
  }

  /// What it is doing, or did last.
  package var status: RankStatus { cells.status }

  /// Whether its process is gone, though it has not said that it would go.
  package var hasEnded: Bool {
    guard let process, !status.isLeaving, status.phase != .finish else { return false }
    return kill(process, 0) != 0 && errno == ESRCH
  }
}
