import Files
import TensorCore

/// The features of the processor of this node, as the kernel lists them.
package struct ProcessorFeatures: Sendable, Equatable {
  /// The name of the model, or `unknown`.
  package let name: String

  /// The kernel's names of its features, such as `avx2`.
  package let flags: Set<String>

  /// Parses the description of the first processor.
  ///
  /// - Parameter description: the text of `/proc/cpuinfo`.
  package init(_ description: String) {
    var fields: [Substring: Substring] = [:]
    for line in description.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      let key = parts[0].trimmingBlanks()
      if fields[key] == nil { fields[key] = parts[1].trimmingBlanks() }
    }
    name = fields["model name"].map(String.init) ?? "unknown"
    let list = fields["flags"] ?? fields["Features"] ?? ""
    flags = Set(list.split(separator: " ").map(String.init))
  }

  /// The processor of this node.
  package static var ofThisNode: ProcessorFeatures {
    ProcessorFeatures(KernelFile.text("/proc/cpuinfo") ?? "")
  }

  /// Whether it has 256-bit vectors and fused multiply-add, which the default build uses.
  package var hasAVX2: Bool { flags.isSuperset(of: ["avx2", "fma"]) }

  /// Whether it has the 512-bit vector instructions that OpenBLAS uses.
  package var hasAVX512: Bool {
    flags.isSuperset(of: ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"])
  }
}

extension Substring {
  fileprivate func trimmingBlanks() -> Substring {
    var rest = drop { $0.isWhitespace }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return rest
  }
}

/// The build options of this program.
package struct BuildFacts: Sendable, Equatable {
  /// Whether it was compiled for processors without AVX2.
  package let isPortable: Bool

  /// Whether it was compiled without optimisation.
  package let isDebug: Bool

  /// Whether it is a program for x86-64.
  package let isX86: Bool

  /// This program.
  package static var ofThisProgram: BuildFacts {
    #if DFERC_PORTABLE
      let isPortable = true
    #else
      let isPortable = false
    #endif
    #if DEBUG
      let isDebug = true
    #else
      let isDebug = false
    #endif
    #if arch(x86_64)
      let isX86 = true
    #else
      let isX86 = false
    #endif
    return BuildFacts(isPortable: isPortable, isDebug: isDebug, isX86: isX86)
  }

  /// The findings about build and processor.
  package func findings(on processor: ProcessorFeatures) -> [Finding] {
    var findings = [vectorFinding(processor)]
    if isDebug {
      findings.append(
        .warning(
          .processor, "the program was built without optimisation",
          cure: "Build it with `swift build -c release`."))
    }
    return findings
  }

  private func vectorFinding(_ processor: ProcessorFeatures) -> Finding {
    switch (isPortable, processor.hasAVX2) {
    case (false, false) where isX86:
      .error(
        .processor,
        "the program was built for AVX2 and FMA, which this processor (\(processor.name)) lacks",
        cure: "Build it with `DFERC_PORTABLE=1 swift build -c release`.")
    case (true, true):
      .warning(
        .processor, "the portable build leaves AVX2 and FMA of this processor unused",
        cure: "Build without DFERC_PORTABLE=1 where every node has them.")
    default:
      .ok(
        .processor,
        "\(processor.name); the program was built \(isPortable ? "portably" : "for AVX2 and FMA")")
    }
  }
}
