import CMPI
import Glibc

/// The set of cores that the kernel lets a process run on.
public struct ProcessorMask: Sendable, Equatable {
  /// 64 cores a word, lowest core in the lowest bit.
  public let words: [UInt64]

  /// Makes a mask from its words.
  public init(words: [UInt64]) {
    self.words = words
  }

  /// How many cores the set has.
  public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Whether some core is in both sets.
  public func overlaps(_ other: ProcessorMask) -> Bool {
    zip(words, other.words).contains { $0 & $1 != 0 }
  }

  /// Returns the cores that are in either set.
  public func union(_ other: ProcessorMask) -> ProcessorMask {
    let (long, short) =
      words.count >= other.words.count ? (words, other.words) : (other.words, words)
    return ProcessorMask(
      words: long.indices.map { $0 < short.count ? long[$0] | short[$0] : long[$0] })
  }

  /// The mask of this process, as its launcher left it (`sched_getaffinity`), or nil where the
  /// kernel does not tell.
  public static func ofThisProcess() -> ProcessorMask? {
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
public struct NodeProcessors: Sendable, Equatable {
  /// Cores that are switched on, as the kernel counts them (a core with two hardware threads is 2).
  public let online: Int

  /// Cores that are not hardware threads of one another, where the kernel tells.
  public let physical: Int?

  /// The cores' worth of time that the process's control group may use, where it is limited.
  public let quota: Double?

  /// Makes the facts of a machine.
  public init(online: Int, physical: Int? = nil, quota: Double? = nil) {
    self.online = online
    self.physical = physical
    self.quota = quota
  }

  /// The cores of this machine as the system counts them (`sysconf`), without what only files of
  /// the kernel tell.
  public static func countedByTheSystem() -> NodeProcessors {
    NodeProcessors(online: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }
}
