import DataParallel
import Files
import Foundation
import JobControl
import MPIKit
import TensorCore
import Training

/// The result of `doctor`: the defects of this machine and of this launch.
package struct Diagnosis {
  /// The findings of all ranks.
  package let report: HealthReport

  /// The error for the exit code: `FileError` if checkpoints cannot be written (74), else
  /// `TrainingError` of kind `usage` (64); nil without an error.
  package let failure: (any Error)?

  /// Starts the ranks, checks the machine and the launch, and ends the ranks.
  ///
  /// Collective.
  ///
  /// - Parameter threads: the value of `--threads`.
  /// - Returns: the diagnosis on rank 0, nil on all others.
  package static func make(threads: Int?) throws -> Diagnosis? {
    let examination = try Examination(threads: threads)
    let findings = try examination.findings()
    let all = try examination.team.collective.gather(
      Array(JSONEncoder().encode(findings)), to: 0)
    examination.startTimeout.cancel()
    try examination.team.world.finish()
    guard examination.team.isRoot else { return nil }
    let report = HealthReport(
      try all.map { try JSONDecoder().decode(RankFindings.self, from: Data($0)) })
    return Diagnosis(
      report: report, failure: examination.storage?.failure ?? failure(report.errors))
  }

  private static func failure(_ errors: Int) -> TrainingError? {
    guard errors > 0 else { return nil }
    return TrainingError(
      kind: .usage, place: "doctor", reason: "training cannot work like this (\(errors) errors)",
      cure: "Follow the cures of the report.")
  }
}

/// One run of `doctor` on one rank.
private struct Examination {
  /// The number of seconds that the ranks may take to connect, far more than on many nodes.
  private static let startTimeoutSeconds = 60.0

  let team: RankTeam
  let startTimeout: StartTimeout
  let storage: StorageProbe?
  private let variables = ProcessInfo.processInfo.environment
  private let run = TypicalRun()

  /// Collective.
  init(threads: Int?) throws {
    startTimeout = StartTimeout(seconds: Self.startTimeoutSeconds)
    team = try RankTeam.join(threads: threads)
    storage = team.isRoot ? .ofWorkingFolder(for: run) : nil
  }

  /// The findings of this rank.
  ///
  /// Collective.
  func findings() throws -> RankFindings {
    var findings = RankFindings(host: ProcessInfo.processInfo.hostName)
    let launch = LaunchProbe(team, variables: variables)
    findings.ofJob = try launch.connection() + launch.differences() + (storage?.findings ?? [])
    if !team.isRoot { findings.ofJob = [] }
    findings.ofNode = try nodeFindings(launch)
    let processor = ProcessorFeatures.ofThisNode
    let blas = BLASFacts.ofThisProcess(variables)
    findings.ofRank =
      BuildFacts.ofThisProgram.findings(on: processor) + launch.threads()
      + blas.findings(on: processor, wantedThreads: team.world.share.threads)
    return findings
  }

  /// The findings of each node, on one of its ranks.
  ///
  /// Collective.
  private func nodeFindings(_ launch: LaunchProbe) throws -> [Finding] {
    let memory = NodeMemory.ofThisNode.finding(
      ranks: team.world.share.ranksOnNode, bytes: run.memoryBytes)
    var findings = try launch.exchange(of: run) + [memory]
    if let unseen = try sharedFolder() { findings.append(unseen) }
    let isSpeaker = team.world.mpi.map { $0.layout.node.rank == 0 } ?? true
    return isSpeaker ? findings : []
  }

  /// A finding if this node does not see the working folder of rank 0.
  ///
  /// Collective.
  private func sharedFolder() throws -> Finding? {
    let file = team.isRoot ? ProbeFile() : nil
    let path = try team.broadcast(file?.path ?? "")
    let finding = ProbeFile.finding(at: path)
    try team.collective.barrier()
    file?.remove()
    return finding
  }
}
