import Foundation
import Glibc
import TensorCore

/// The choice of OpenBLAS's kernels for this processor.
///
/// OpenBLAS picks its kernels when it is loaded, by the processors that were known when it was
/// released. On a newer one with AVX-512 it may fall back to kernels for AVX2, which run matrix
/// products at half the speed. The only way to choose is a variable that it reads at that moment,
/// so the program sets it and starts itself again, before it has done anything else.
enum KernelChoice {
  /// The variable that OpenBLAS reads; who sets it has chosen, and nothing is changed.
  static let variable = "OPENBLAS_CORETYPE"

  /// The kernels that OpenBLAS would use if it knew the processor; nil where its choice is right.
  ///
  /// - Parameters:
  ///   - current: the kernels in use.
  ///   - features: the processor's features as Linux names them.
  static func better(than current: String, features: Set<String>) -> String? {
    let needed: Set = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]
    guard ["Haswell", "Zen"].contains(current), needed.isSubset(of: features) else { return nil }
    return "SkylakeX"
  }

  /// Starts the program again with better kernels, if there are any and nobody has chosen.
  ///
  /// It returns where there is nothing to gain, and where the program cannot be started again.
  static func apply(environment: [String: String] = ProcessInfo.processInfo.environment) {
    guard environment[variable] == nil,
      let kernel = better(than: BLASLibrary.kernelName, features: processorFeatures())
    else { return }
    setenv(variable, kernel, 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
    unsetenv(variable)
  }

  /// The features of the first processor; empty where the system does not tell.
  static func processorFeatures() -> Set<String> {
    guard let bytes = try? FileSystem.readAll("/proc/cpuinfo") else { return [] }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard let flags = lines.first(where: { $0.hasPrefix("flags") }) else { return [] }
    return Set(flags.split(separator: " ").map(String.init))
  }
}
