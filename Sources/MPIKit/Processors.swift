import CMPI
import Glibc

/// The set of cores that the kernel lets a process run on.
package struct ProcessorMask: Sendable, Equatable {
  /// 64 cores a word, lowest core in the lowest bit.
  package let words: [UInt64]

  /// Makes a mask from its words.
  package init(words: [UInt64]) {
    self.words = words
  }

  /// How many cores the set has.
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

  /// The mask of this process, as its launcher left it (`sched_getaffinity`), or nil where the
  /// kernel does not tell.
  package static func ofThisProcess() -> ProcessorMask? {
    // The kernel refuses a buffer that is shorter than its own mask, whose length it does not say.
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

/// What the machine under this process has to compute with.
package struct NodeProcessors: Sendable, Equatable {
  /// Cores that are switched on, as the kernel counts them (a core with two hardware threads is 2).
  package let online: Int

  /// Cores that are not hardware threads of one another, where the kernel tells.
  package let physical: Int?

  /// The cores' worth of time that the process's control group may use, where it is limited.
  package let quota: Double?

  /// Makes the facts of a machine.
  package init(online: Int, physical: Int? = nil, quota: Double? = nil) {
    self.online = online
    self.physical = physical
    self.quota = quota
  }

  /// The cores of this machine as the system counts them (`sysconf`), without what only files of
  /// the kernel tell.
  package static func countedByTheSystem() -> NodeProcessors {
    NodeProcessors(online: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }
}
