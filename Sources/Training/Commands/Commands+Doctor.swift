import DataParallel
import Foundation
import MPIKit
import TensorCore

extension Commands {
  /// Checks this machine and this launch and prints what is wrong, with its cure.
  ///
  /// Collective.
  ///
  /// - Throws: where an error was found, what training would end with: `FileError` if checkpoints
  ///   cannot be written (exit code 74), else `TrainingError` of kind `usage` (64), on rank 0.
  public static func doctor(_ request: DoctorRequest) throws {
    let examination = try Examination(request)
    let findings = try examination.findings()
    let all = try examination.team.collective.gather(
      Array(JSONEncoder().encode(findings)), to: 0)
    examination.alarm.cancel()
    try examination.team.world.finish()
    guard examination.team.isFirst else { return }
    let report = HealthReport(
      try all.map { try JSONDecoder().decode(RankFindings.self, from: Data($0)) })
    try StandardOutput.write(request.printsJSON ? JSONText.document(report) : report.text)
    if let failure = examination.storage?.failure { throw failure }
    if report.errors > 0 {
      throw TrainingError(
        kind: .usage, place: "doctor",
        reason: "training cannot work like this (\(report.errors) errors)",
        cure: "Follow the cures of the report.")
    }
  }
}

/// One run of `doctor` on one rank.
private struct Examination {
  /// Far more seconds than a start on many nodes takes.
  private static let patience = 60.0

  let team: RankTeam
  let alarm: StartAlarm
  let storage: StorageProbe?
  private let variables = ProcessInfo.processInfo.environment
  private let run = TypicalRun()

  /// Collective.
  init(_ request: DoctorRequest) throws {
    alarm = StartAlarm(seconds: Self.patience)
    team = try RankTeam.join(threads: request.threads)
    storage = team.isFirst ? .ofWorkingFolder(for: run) : nil
  }

  /// What this rank finds.
  ///
  /// Collective.
  func findings() throws -> RankFindings {
    var findings = RankFindings(host: ProcessInfo.processInfo.hostName)
    let launch = LaunchProbe(team, variables: variables)
    findings.ofJob = try launch.connection() + launch.differences() + (storage?.findings ?? [])
    if !team.isFirst { findings.ofJob = [] }
    findings.ofNode = try nodeFindings(launch)
    let processor = ProcessorFeatures.ofThisNode
    let blas = BLASFacts.ofThisProcess(variables)
    findings.ofRank =
      BuildFacts.ofThisProgram.findings(on: processor) + launch.threads()
      + blas.findings(on: processor, wantedThreads: team.world.share.threads)
    return findings
  }

  /// What one rank of each node says for all of them.
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

  /// Whether this node sees the folder in which rank 0 works.
  ///
  /// Collective.
  private func sharedFolder() throws -> Finding? {
    let file = team.isFirst ? ProbeFile() : nil
    let path = try team.shared(file?.path ?? "")
    let finding = ProbeFile.finding(at: path)
    try team.collective.barrier()
    file?.remove()
    return finding
  }
}
