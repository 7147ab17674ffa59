import DataParallel
import Foundation
import JobControl
import MPIKit
import TensorCore
import Training

/// A test of the launch: the connection of the ranks, and how they share their nodes.
package struct LaunchProbe {
  private let team: RankTeam
  private let variables: [String: String]

  /// - Parameters:
  ///   - team: the ranks.
  ///   - variables: the environment variables of this process.
  package init(_ team: RankTeam, variables: [String: String]) {
    self.team = team
    self.variables = variables
  }

  /// The findings about MPI, on rank 0.
  ///
  /// Collective.
  package func connection() throws -> [Finding] {
    let expected = Int64(team.collective.size)
    var answers: [Int64] = [1, Int64(team.rank)]
    try answers.withUnsafeMutableBufferPointer { try team.collective.allReduceSum($0) }
    let isSound = answers == [expected, expected * (expected - 1) / 2]
    let library = try MPILibrary.version()
    guard isSound else {
      return [
        .error(
          .mpi, "\(library): a sum over \(expected) ranks gave \(answers)",
          cure: "Install the same version of Open MPI on every node.")
      ]
    }
    guard Launcher.isPresent(in: variables) else {
      return [.ok(.mpi, "\(library); started without mpirun, as one rank alone")]
    }
    let share = team.world.share
    let nodes = "\(share.nodes) node\(share.nodes == 1 ? "" : "s")"
    let answer =
      share.ranks == 1 ? "1 rank" : "\(share.ranks) ranks on \(nodes) that reach one another"
    return [.ok(.mpi, "\(library), started by \(launcher): \(answer)")]
  }

  private var launcher: String {
    variables["OMPI_COMM_WORLD_SIZE"] == nil ? "a launcher with PMIx (srun)" : "mpirun"
  }

  /// The findings about ranks whose software differs in ways that change results.
  ///
  /// Collective; complete on rank 0.
  package func differences() throws -> [Finding] {
    var facts = RunDescription.libraries
    facts["threads"] = String(team.world.share.threads)
    let all = try team.collective.gather(Array(JSONEncoder().encode(facts)), to: 0)
    let ranks = try all.map { try JSONDecoder().decode([String: String].self, from: Data($0)) }
    return Self.differences(between: ranks)
  }

  /// Compares the facts of all ranks.
  package static func differences(between ranks: [[String: String]]) -> [Finding] {
    let names = [
      "program_version": "the version of dferc-dist", "blas_kernel": "the BLAS kernel",
      "blas_version": "the BLAS library", "c_library": "the C library", "threads": "threads a rank",
    ]
    return names.sorted { $0.key < $1.key }.compactMap { key, name in
      let values = Set(ranks.compactMap { $0[key] }).sorted()
      guard values.count > 1 else { return nil }
      let message = "ranks differ in \(name): \(values.joined(separator: " / "))"
      return switch key {
      case "program_version":
        .error(.mpi, message, cure: "Install the same build on every node.")
      case "threads":
        .warning(
          .threads, message,
          cure: "Give every rank the same: --threads, or mpirun -x OPENBLAS_NUM_THREADS=1.")
      case "blas_kernel":
        .warning(
          .blas, message + "; last bits then depend on where a dialogue is computed",
          cure: "Force the kernel that all nodes can run: mpirun -x OPENBLAS_CORETYPE=Haswell.")
      default:
        .warning(
          .blas, message + "; last bits then depend on where a dialogue is computed",
          cure: "Install the same system on every node.")
      }
    }
  }

  /// The finding about how the ranks of this node exchange data.
  package func exchange(of run: TypicalRun) throws -> [Finding] {
    guard team.collective.size > 1, let world = team.world.mpi else { return [] }
    // Allocated only for its warnings, which tell whether gradients will be in shared memory.
    _ = try team.collective.makeSharedBuffer(count: run.parameterCount)
    var findings = world.warnings.map { Finding.warning(.memory, sentences: $0) }
    if findings.isEmpty && world.layout.node.size > 1 {
      findings.append(.ok(.memory, "gradients are summed in memory that the ranks of a node share"))
    }
    findings.append(singleCopy)
    return findings
  }

  private var singleCopy: Finding {
    let mechanism = variables["OMPI_MCA_btl_vader_single_copy_mechanism"] ?? "cma"
    guard MPILibrary.canCopyOnce else {
      return .ok(
        .mpi,
        "messages inside a node are copied twice, as the kernel forbids ranks to read each other; "
          + "gradients are not messages there (docker run --cap-add SYS_PTRACE would allow it)")
    }
    return .ok(.mpi, "single-copy messages inside a node: \(mechanism)")
  }

  /// The findings about threads and cores of this rank, with the warnings of a run.
  package func threads() -> [Finding] {
    let share = team.world.share
    let warnings = share.warnings.map { Finding.warning(.threads, sentences: $0) }
    let source =
      switch share.source {
      case .option: " (--threads)"
      case .environment: " (OPENBLAS_NUM_THREADS)"
      case .cores: ""
      }
    let facts = Finding.ok(.threads, share.summary + source)
    return warnings.isEmpty ? [facts] + idleCores : [facts] + warnings
  }

  /// The finding about cores of this node that the launcher does not let this job use.
  private var idleCores: [Finding] {
    let share = team.world.share
    let usable = min(
      Double(share.node.physical ?? share.node.online), share.node.quota ?? .infinity)
    let idle = Int(usable) - share.ranksOnNode * share.threads
    guard share.isBound, share.source == .cores, idle > 0 else { return [] }
    let fair = max(1, Int(usable) / share.ranksOnNode)
    return [
      .warning(
        .threads,
        "\(idle) cores of this node stay idle, because the launcher bound each rank to "
          + "\(share.coresInMask)",
        cure: "Start more ranks, or give each more cores: mpirun --map-by slot:PE=\(fair) "
          + "--bind-to core.")
    ]
  }
}
