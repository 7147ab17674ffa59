/// The output of `doctor`: the findings of all ranks, equal ones merged.
package struct HealthReport: Encodable, Sendable {
  /// A finding and the ranks or nodes that have it.
  package struct Entry: Encodable, Sendable, Equatable {
    package let finding: Finding

    /// The ranks that have it; nil for a finding about a node or the job.
    package let ranks: [Int]?

    /// The nodes that have it; nil for a finding about the job.
    package let hosts: [String]?

    package enum CodingKeys: String, CodingKey {
      case severity, area, message, cure, ranks, hosts
    }

    package func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(finding.severity, forKey: .severity)
      try container.encode(finding.area, forKey: .area)
      try container.encode(finding.message, forKey: .message)
      try container.encode(finding.cure, forKey: .cure)
      try container.encodeIfPresent(ranks, forKey: .ranks)
      try container.encodeIfPresent(hosts, forKey: .hosts)
    }
  }

  /// All findings, by area.
  package let findings: [Entry]

  /// The number of ranks.
  package let ranks: Int

  /// The number of warnings.
  package let warnings: Int

  /// The number of errors.
  package let errors: Int

  /// Merges the findings of all ranks.
  ///
  /// - Parameter ranks: the findings of each rank, in rank order.
  package init(_ ranks: [RankFindings]) {
    var entries: [Entry] = []
    for (rank, own) in ranks.enumerated() {
      for finding in own.ofJob { entries.append(Entry(finding: finding, ranks: nil, hosts: nil)) }
      for finding in own.ofNode { entries.merge(finding, rank: nil, host: own.host) }
      for finding in own.ofRank { entries.merge(finding, rank: rank, host: own.host) }
    }
    findings = Finding.Area.allCases.flatMap { area in
      entries.filter { $0.finding.area == area }
    }
    self.ranks = ranks.count
    warnings = entries.filter { $0.finding.severity == .warning }.count
    errors = entries.filter { $0.finding.severity == .error }.count
  }

  /// The report as text: severity, area and message in columns, a cure below its message.
  package var text: String {
    let hostCount = Set(findings.flatMap { $0.hosts ?? [] }).count
    let lines = findings.map { entry in
      let finding = entry.finding
      let place = entry.place(rankCount: ranks, hostCount: hostCount)
      let indent =
        Self.column(finding.severity.rawValue, 9) + Self.column(finding.area.rawValue, 11)
      let cure = finding.cure.map { Self.wrapped("Cure: \($0)", indent: Self.column("", 20)) } ?? ""
      return Self.wrapped(finding.message + place, indent: indent) + cure
    }
    return lines.joined() + "\n\(summary)\n"
  }

  private var summary: String {
    guard warnings + errors > 0 else { return "everything is in order" }
    let counts = [(errors, "error"), (warnings, "warning")].filter { $0.0 > 0 }
    return counts.map { "\($0) \($1)\($0 == 1 ? "" : "s")" }.joined(separator: ", ")
  }

  private static func column(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// Breaks a text into lines of at most 96 characters; all but the first are indented.
  private static func wrapped(_ text: String, indent: String) -> String {
    var lines = [indent]
    for word in text.split(separator: " ") {
      if lines[lines.count - 1].count + word.count > 95, lines[lines.count - 1].count > 20 {
        lines.append(column("", 20))
      }
      lines[lines.count - 1] += (lines[lines.count - 1].count > 20 ? " " : "") + word
    }
    return lines.map { $0 + "\n" }.joined()
  }
}

extension HealthReport.Entry {
  /// The ranks or nodes of a finding, unless all have it.
  fileprivate func place(rankCount: Int, hostCount: Int) -> String {
    if let ranks {
      guard ranks.count < rankCount else { return "" }
      return
        " (rank\(ranks.count == 1 ? "" : "s") \(ranks.map(String.init).joined(separator: ", ")))"
    }
    guard let hosts, hostCount > 1 else { return "" }
    return " (on \(hosts.joined(separator: ", ")))"
  }
}

extension [HealthReport.Entry] {
  /// Adds a rank to the entry of an equal finding, or a new entry.
  fileprivate mutating func merge(_ finding: Finding, rank: Int?, host: String) {
    let same = firstIndex {
      $0.finding == finding && $0.hosts != nil && ($0.ranks == nil) == (rank == nil)
    }
    guard let same else {
      append(Element(finding: finding, ranks: rank.map { [$0] }, hosts: [host]))
      return
    }
    let old = self[same]
    let hosts = old.hosts.map { $0.contains(host) ? $0 : $0 + [host] }
    self[same] = Element(
      finding: finding, ranks: old.ranks.map { ranks in ranks + (rank.map { [$0] } ?? []) },
      hosts: hosts)
  }
}
