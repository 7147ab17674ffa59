import Files
import TensorCore

/// The available memory of a node.
package struct NodeMemory: Sendable, Equatable {
  /// The number of bytes that processes can still allocate; nil if the kernel does not report it.
  package let available: Int?

  /// Whether the limit of a container determines it, not the machine.
  package let isLimited: Bool

  /// Reads the texts of the kernel.
  ///
  /// - Parameters:
  ///   - description: the text of `/proc/meminfo`.
  ///   - containerRest: the number of bytes that the control group may still use; nil without a
  ///     limit.
  package init(description: String, containerRest: Int?) {
    let line = description.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    let machine = kilobytes.map { $0 * 1024 }
    isLimited = containerRest.map { rest in machine.map { rest < $0 } ?? true } ?? false
    available = isLimited ? containerRest : machine
  }

  /// This node.
  package static var ofThisNode: NodeMemory {
    NodeMemory(
      description: KernelFile.text("/proc/meminfo") ?? "",
      containerRest: ControlGroup.remainingMemory(
        groups: KernelFile.text("/proc/self/cgroup") ?? ""))
  }

  /// Millions of bytes, rounded.
  package static func megabytes(_ bytes: Int) -> Int { (bytes + 500_000) / 1_000_000 }
}

/// The limits that a container or a batch system puts on this process.
package enum ControlGroup {
  /// The number of bytes that the control groups of this process may still use; nil without a
  /// limit.
  ///
  /// Every group from this process's own up to the root may have a limit; the smallest remainder
  /// counts.
  ///
  /// - Parameter groups: the text of `/proc/self/cgroup`.
  package static func remainingMemory(groups: String) -> Int? {
    var rests: [Int] = []
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",")
      if controllers.isEmpty {
        rests += remainders(in: "/sys/fs/cgroup", group: fields[2], Version.second)
      } else if controllers.contains("memory") {
        rests += remainders(in: "/sys/fs/cgroup/memory", group: fields[2], Version.first)
      }
    }
    return rests.min()
  }

  /// Version 1 reports a number near the largest one if there is no limit.
  private static let unlimited = 1 << 60

  /// The file and field names of a version of control groups.
  private struct Version {
    let limit: String
    let usage: String
    let reclaimable: String

    static let first = Version(
      limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
      reclaimable: "total_inactive_file ")
    static let second = Version(
      limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file ")
  }

  private static func remainders(in root: String, group: Substring, _ version: Version) -> [Int] {
    var names = group.split(separator: "/")
    var rests: [Int] = []
    while true {
      let folder = ([root] + names.map(String.init)).joined(separator: "/")
      if let rest = remainder(in: folder, version) { rests.append(rest) }
      if names.popLast() == nil { return rests }
    }
  }

  private static func remainder(in folder: String, _ version: Version) -> Int? {
    guard let limit = KernelFile.number("\(folder)/\(version.limit)"),
      let usage = KernelFile.number("\(folder)/\(version.usage)"), limit < unlimited
    else { return nil }
    // The kernel reclaims inactive file pages before an allocation fails.
    let statistics = KernelFile.text("\(folder)/memory.stat") ?? ""
    let line = statistics.split(separator: "\n").first { $0.hasPrefix(version.reclaimable) }
    let reclaimable = line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    return max(0, limit - usage + min(reclaimable, usage))
  }
}
