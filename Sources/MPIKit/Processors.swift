import CMPI
import Glibc

/// The set of cores that a process may run on.
package struct ProcessorMask: Sendable, Equatable {
  /// 64 cores in each word, the lowest core in the lowest bit.
  package let words: [UInt64]

  /// Makes a mask from its words.
  package init(words: [UInt64]) {
    self.words = words
  }

  /// The number of cores of the set.
  package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Whether some core is in both sets.
  package func overlaps(_ other: ProcessorMask) -> Bool {
    zip(words, other.words).contains { $0 & $1 != 0 }
  }

  /// Returns the cores that are in either set.
  package func union(_ other: ProcessorMask) -> ProcessorMask {
    let (long, short) =
      words.count >= other.words.count ? (words, other.words) : (other.words, words)
    return ProcessorMask(
      words: long.indices.map { $0 < short.count ? long[$0] | short[$0] : long[$0] })
  }

  /// The mask of this process, as set by its launcher (`sched_getaffinity`); nil if the kernel does
  /// not report it.
  package static func ofThisProcess() -> ProcessorMask? {
    // The kernel refuses a buffer that is shorter than its mask, whose length is not known.
    var wordCount = 16
    while wordCount <= 1024 {
      var words = [UInt64](repeating: 0, count: wordCount)
      let status = words.withUnsafeMutableBytes { bytes in
        bytes.baseAddress.map { cmpi_get_affinity($0, bytes.count) } ?? -1
      }
      if status == 0 { return ProcessorMask(words: words) }
      guard errno == EINVAL else { return nil }
      wordCount *= 2
    }
    return nil
  }
}

/// The cores of a machine.
package struct NodeProcessors: Sendable, Equatable {
  /// The number of cores that are online, as the kernel counts them (a core with two hardware
  /// threads is 2).
  package let online: Int

  /// The number of physical cores, if the kernel reports it.
  package let physical: Int?

  /// The processor time that the control group of the process may use, in cores; nil without a
  /// limit.
  package let quota: Double?

  /// Creates the description of a machine.
  package init(online: Int, physical: Int? = nil, quota: Double? = nil) {
    self.online = online
    self.physical = physical
    self.quota = quota
  }

  /// The online cores of this machine (`sysconf`), without physical cores and quota.
  package static func countedByTheSystem() -> NodeProcessors {
    NodeProcessors(online: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }
}
