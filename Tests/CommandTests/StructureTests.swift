import Foundation
import Testing

/// The targets of the package and the dependencies between them.
@Suite("Package structure")
struct StructureTests {
  /// The targets that each target may import, together with all that those may import.
  private static let table: [String: Set<String>] = [
    "CMPI": [],
    "COpenBLAS": [],
    "CZstd": [],
    "Files": ["Crypto"],
    "TensorCore": ["Files", "COpenBLAS"],
    "Autograd": ["TensorCore"],
    "NeuralNet": ["Autograd"],
    "Optimizing": ["TensorCore"],
    "DialogueData": ["TensorCore", "Files"],
    "DFERCModel": ["NeuralNet"],
    "Baselines": ["NeuralNet"],
    "MPIKit": ["CMPI", "Files"],
    "DataParallel": ["TensorCore", "MPIKit"],
    "StallDetection": ["DataParallel"],
    "Checkpointing": ["Files", "TensorCore", "CZstd", "Crypto"],
    "Configuration": ["Files", "DFERCModel", "Baselines", "Yams"],
    "RunRecords": ["Files", "Configuration", "Logging"],
    "JobControl": ["StallDetection", "Checkpointing", "RunRecords"],
    "Training": ["JobControl", "DialogueData", "Optimizing"],
    "Doctor": ["JobControl", "Training"],
    "dferc-dist": ["Doctor", "Training", "ArgumentParser"],
  ]

  /// All targets that a target may import, directly or through others.
  private static func closure(_ target: String) -> Set<String> {
    (table[target] ?? []).reduce(into: table[target] ?? []) { $0.formUnion(closure($1)) }
  }

  private struct Package: Decodable {
    struct Target: Decodable {
      let name: String
      let type: String
      let path: String
      let targetDependencies: [String]?
      let productDependencies: [String]?

      var imports: Set<String> {
        Set((targetDependencies ?? []) + (productDependencies ?? []))
      }
    }

    let targets: [Target]
  }

  @Test("Every target declares only what the table allows")
  func dependencies() throws {
    let targets = try describe().targets.filter { $0.path.hasPrefix("Sources/") }
    #expect(Set(targets.map(\.name)) == Set(Self.table.keys))
    for target in targets {
      let forbidden = target.imports.subtracting(Self.closure(target.name))
      #expect(forbidden.isEmpty, "\(target.name) may not import \(forbidden.sorted())")
    }
  }

  @Test("Only the configuration imports models")
  func models() throws {
    let models: Set = ["DFERCModel", "Baselines"]
    let targets = try describe().targets.filter { $0.path.hasPrefix("Sources/") }
    let users = targets.filter { !$0.imports.isDisjoint(with: models) }.map(\.name)
    #expect(users == ["Configuration"])
  }

  @Test("Every target imports what it declares, and declares what it imports")
  func importStatements() throws {
    let package = try describe()
    let targets = package.targets.filter { $0.type != "system-target" }
    #expect(targets.count > 30)
    let known = Set(package.targets.map(\.name)).union(package.targets.flatMap(\.imports))
    for target in targets where target.name != "AllocationCounter" {
      let imported = try imports(inFolder: target.path).intersection(known)
      let missing = imported.subtracting(target.imports)
      let unused = target.imports.subtracting(imported)
      #expect(missing.isEmpty, "\(target.name) does not declare \(missing.sorted())")
      #expect(unused.isEmpty, "\(target.name) does not import \(unused.sorted())")
    }
  }

  @Test(
    "Import lines are recognised with attributes and access",
    arguments: [
      ("import Files", "Files"), ("@testable import dferc_dist", "dferc-dist"),
      ("private import Yams", "Yams"), ("  import struct Files.Digest", "Files"),
      ("@preconcurrency package import Autograd // why", "Autograd"), ("// import Files", nil),
      ("let text = \"import Files\"", nil),
    ] as [(String, String?)])
  func importLines(line: String, module: String?) {
    #expect(Self.module(importedBy: line) == module)
  }

  @Test("No target has the name of a type in it")
  func names() throws {
    for target in try describe().targets where target.path.hasPrefix("Sources/") {
      let pattern = try Regex("(struct|class|enum|protocol|actor) \(target.name)\\b")
        .ignoresCase(false)
      for text in try sources(inFolder: target.path) {
        #expect(text.firstMatch(of: pattern) == nil, "\(target.name)")
      }
    }
  }

  private var packageFolder: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
  }

  /// The output of `swift package describe`, on the resolved build folder that this test is in.
  private func describe() throws -> Package {
    let runner = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    let scratch = (0..<3).reduce(runner) { url, _ in url.deletingLastPathComponent() }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "swift", "package", "--ignore-lock", "--package-path", packageFolder.path, "--scratch-path",
      scratch.path, "describe", "--type", "json",
    ]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Package.self, from: output)
  }

  private func sources(inFolder path: String) throws -> [String] {
    let folder = packageFolder.appendingPathComponent(path)
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    return try (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
      .map { try String(contentsOf: $0, encoding: .utf8) }
  }

  private func imports(inFolder path: String) throws -> Set<String> {
    Set(
      try sources(inFolder: path).flatMap { text in
        text.split(separator: "\n").compactMap { Self.module(importedBy: String($0)) }
      })
  }

  /// The module that a line imports, by the name of its target; nil for any other line.
  private static func module(importedBy line: String) -> String? {
    let pattern =
      /^\s*(@\w+(\(\w+\))?\s+)*((private|fileprivate|internal|package|public)\s+)?import\s+((struct|class|enum|protocol|func|var|let|typealias)\s+)?(?<module>\w+)/
    return line.prefixMatch(of: pattern).map { match in
      match.module == "dferc_dist" ? "dferc-dist" : String(match.module)
    }
  }
}
