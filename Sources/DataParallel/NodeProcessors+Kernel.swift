import Files
import Glibc
import MPIKit
import TensorCore

extension NodeProcessors {
  /// Reads the cores of this machine from `/proc` and `/sys`.
  package static func ofThisNode() -> NodeProcessors {
    NodeProcessors(
      online: countedByTheSystem().online, physical: countPhysical(), quota: controlGroupQuota())
  }

  /// Counts the distinct lists of sibling threads in `/sys/devices/system/cpu`.
  private static func countPhysical() -> Int? {
    let configured = max(0, sysconf(Int32(_SC_NPROCESSORS_CONF)))
    let siblings = (0..<configured).compactMap { core in
      KernelFile.text("/sys/devices/system/cpu/cpu\(core)/topology/thread_siblings_list")
    }
    return siblings.isEmpty ? nil : Set(siblings).count
  }

  /// The smallest `cpu.max` from this process's control group (version 2) up to the root, in cores.
  private static func controlGroupQuota() -> Double? {
    guard
      let line = KernelFile.text("/proc/self/cgroup")?.split(separator: "\n")
        .first(where: { $0.hasPrefix("0::") })
    else { return nil }
    var names = line.dropFirst(3).split(separator: "/")
    var quota: Double?
    while true {
      let path = (["/sys/fs/cgroup"] + names.map(String.init) + ["cpu.max"])
        .joined(separator: "/")
      if let cores = KernelFile.text(path).flatMap(coresOfQuota) {
        quota = min(cores, quota ?? cores)
      }
      if names.popLast() == nil { return quota }
    }
  }

  /// Reads `cpu.max`: microseconds of processor time, or `max`, and the period in microseconds.
  static func coresOfQuota(_ text: String) -> Double? {
    let fields = text.split { $0 == " " || $0 == "\n" }.map { Double($0) }
    guard fields.count == 2, let time = fields[0], let period = fields[1], period > 0 else {
      return nil
    }
    return time / period
  }
}
