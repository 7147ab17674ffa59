import TensorCore

/// The BLAS library of this rank.
package struct BLASFacts: Sendable, Equatable {
  /// The kernel that it has selected for this processor, such as `Haswell`.
  package let kernel: String

  /// Version and build options.
  package let configuration: String

  /// The largest number of threads of a product.
  package let threads: Int

  /// The value of `OPENBLAS_CORETYPE`, which forces a kernel.
  package let forcedKernel: String?

  /// The library of this process.
  ///
  /// - Parameter variables: the environment variables of this process.
  package static func ofThisProcess(_ variables: [String: String]) -> BLASFacts {
    BLASFacts(
      kernel: BLASLibrary.kernelName, configuration: BLASLibrary.configuration,
      threads: BLASLibrary.threadCount, forcedKernel: variables["OPENBLAS_CORETYPE"])
  }

  /// Kernels with 512-bit vectors.
  private static let wideKernels: Set = ["skylakex", "cooperlake", "sapphirerapids"]

  /// Kernels with 256-bit vectors and fused multiply-add.
  private static let middleKernels: Set = ["haswell", "zen"]

  /// The findings about the library.
  ///
  /// - Parameters:
  ///   - processor: the processor of this node.
  ///   - wantedThreads: the number of threads that the program has set.
  package func findings(on processor: ProcessorFeatures, wantedThreads: Int) -> [Finding] {
    [kernelFinding(processor), threadFinding(wantedThreads)]
  }

  /// A kernel for wider vectors of the processor; nil if the selected one is the best known.
  ///
  /// The features of the processor decide: a library that is older than the processor selects
  /// kernels of an earlier generation.
  package func betterKernel(on processor: ProcessorFeatures) -> String? {
    let chosen = kernel.lowercased()
    if Self.wideKernels.contains(chosen) { return nil }
    if processor.hasAVX512 { return "SkylakeX" }
    if Self.middleKernels.contains(chosen) { return nil }
    return processor.hasAVX2 ? "Haswell" : nil
  }

  private func kernelFinding(_ processor: ProcessorFeatures) -> Finding {
    let library = configuration.split(separator: " ").prefix(2).joined(separator: " ")
    let isForced = forcedKernel?.lowercased() == kernel.lowercased()
    if let forcedKernel, !isForced {
      return .warning(
        .blas, "OPENBLAS_CORETYPE=\(forcedKernel) had no effect; \(library) uses \(kernel)",
        cure: "Name a kernel that this OpenBLAS was built with, such as Haswell or SkylakeX.")
    }
    guard let better = betterKernel(on: processor) else {
      return .ok(.blas, "\(library) with the kernel \(kernel)")
    }
    guard !isForced else {
      return .ok(
        .blas,
        "\(library) with the kernel \(kernel), as OPENBLAS_CORETYPE says; this processor could "
          + "run \(better)")
    }
    let vectors = better == "Haswell" ? "AVX2" : "AVX-512"
    return .warning(
      .blas,
      "\(library) chose the kernel \(kernel), which leaves \(vectors) of this processor unused",
      cure: "Try OPENBLAS_CORETYPE=\(better) (under mpirun: -x OPENBLAS_CORETYPE=\(better)) and "
        + "compare with `dferc-dist bench`. Last bits of results differ between kernels.")
  }

  private func threadFinding(_ wanted: Int) -> Finding {
    let noun = threads == 1 ? "thread" : "threads"
    guard threads != wanted else { return .ok(.blas, "\(threads) BLAS \(noun) a rank") }
    return .warning(
      .blas, "OpenBLAS uses \(threads) \(noun) where \(wanted) were asked for",
      cure: "Install the library with POSIX threads (Debian: libopenblas0-pthread), and select it "
        + "with `update-alternatives --config libopenblas.so.0-$(uname -m)-linux-gnu`.")
  }
}
