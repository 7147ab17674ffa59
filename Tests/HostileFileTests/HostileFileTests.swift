import Foundation
import TensorCore
import TestSupport
import Testing

/// Whatever a file holds, reading it ends with success or with a clear error, in bounded memory.
///
/// The environment chooses how many cases are tried: `DFERC_FUZZ_CASES` of each reader, from
/// `DFERC_FUZZ_FIRST` on, with `DFERC_FUZZ_SEED`. Each case follows from seed, reader and number
/// alone. Before a case is read, its name is written to the file `DFERC_FUZZ_TRACE`, so that a crash
/// can be traced to it.
@Suite("Hostile files", .serialized)
struct HostileFileTests {
  private struct Plan {
    let first: Int
    let count: Int
    let seed: UInt64
    let trace: FileHandle?
    let isReported: Bool

    init(_ variables: [String: String] = ProcessInfo.processInfo.environment) {
      count = variables["DFERC_FUZZ_CASES"].flatMap { Int($0) } ?? 300
      first = variables["DFERC_FUZZ_FIRST"].flatMap { Int($0) } ?? 0
      seed = variables["DFERC_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
      isReported = variables["DFERC_FUZZ_CASES"] != nil
      trace = variables["DFERC_FUZZ_TRACE"].flatMap { path in
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        return FileHandle(forWritingAtPath: path)
      }
    }

    func note(_ place: String) throws {
      guard let trace else { return }
      try trace.seek(toOffset: 0)
      try trace.write(contentsOf: Data((place + "\n").utf8))
      try trace.truncate(atOffset: UInt64(place.utf8.count + 1))
    }
  }

  private static let makers: [@Sendable (TemporaryFolder) throws -> HostileReader] = [
    HostileReader.checkpoint, HostileReader.weights, HostileReader.manifest,
    HostileReader.dialogues, HostileReader.features, HostileReader.fileNames,
    HostileReader.configuration,
  ]

  @Test(
    "A spoilt file is read or refused, and never a crash, a hang or all memory",
    arguments: makers.indices)
  func spoiltFiles(index: Int) throws {
    let plan = Plan()
    try withTemporaryFolder { folder in
      let reader = try Self.makers[index](folder)
      var tally = HostileTally()
      for number in plan.first..<plan.first + plan.count {
        try plan.note("\(reader.name) \(number)")
        try reader.run(case: number, seed: plan.seed, &tally)
      }
      #expect(tally.isMixed || plan.count < 100, "\(reader.name): \(tally)")
      if plan.isReported { print("\(reader.name): \(plan.count) cases; \(tally)") }
    }
  }

  @Test("A case follows from its seed, reader and number", arguments: makers.indices)
  func reproducible(index: Int) throws {
    try withTemporaryFolder { folder in
      let reader = try Self.makers[index](folder)
      func bytes(_ seed: UInt64, _ number: Int) throws -> [UInt8] {
        var stream = RandomStream(seed: seed, purpose: reader.name, step: number)
        return try reader.spoil(&stream)
      }
      for number in 0..<20 { #expect(try bytes(3, number) == bytes(3, number)) }
      #expect(try (0..<20).contains { try bytes(3, $0) != bytes(4, $0) })
    }
  }
}
