import Glibc

/// The memory of this process.
enum ProcessMemory {
  /// The peak resident memory so far, in MB (10^6 bytes).
  static var peakMegabytes: Double {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return Double(usage.ru_maxrss) * 1024 / 1e6
  }
}
