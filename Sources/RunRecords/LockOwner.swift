import Files
import Foundation

/// The process that holds a run folder; the content of `run.lock`.
package struct LockOwner: Codable, Equatable, Sendable {
  /// The name of the node.
  package let host: String

  /// The process identifier on that node.
  package let pid: Int32

  /// The start time of the process in clock ticks since boot, which distinguishes processes with
  /// the same identifier.
  package let started: UInt64

  /// The time of the last heartbeat.
  package var heartbeat: Date

  /// The running process.
  package static func current(at now: Date) -> LockOwner {
    let pid = ProcessInfo.processInfo.processIdentifier
    return LockOwner(
      host: ProcessInfo.processInfo.hostName, pid: pid, started: startTime(of: pid) ?? 0,
      heartbeat: now)
  }

  /// Whether both are the same process, regardless of their heartbeats.
  package func isSameProcess(as other: LockOwner) -> Bool {
    host == other.host && pid == other.pid && started == other.started
  }

  /// Whether this is a process of the given node that has ended.
  package func hasEnded(seenFrom host: String) -> Bool {
    host == self.host && Self.startTime(of: pid) != started
  }

  /// Field 22 of `/proc/<pid>/stat`; nil if there is no such process.
  ///
  /// A zombie counts as none: in a container it may never be reaped.
  private static func startTime(of pid: Int32) -> UInt64? {
    guard let text = KernelFile.text("/proc/\(pid)/stat") else { return nil }
    // The second field, the program's name, may hold spaces; the last ")" ends it.
    guard let nameEnd = text.lastIndex(of: ")") else { return nil }
    let fields = text[nameEnd...].split(separator: " ")
    guard fields.count > 20, !["Z", "X"].contains(fields[1]) else { return nil }
    return UInt64(fields[20])
  }
}
