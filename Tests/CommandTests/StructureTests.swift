import Foundation
import Testing

/// The rooms of the package and the arrows between them.
@Suite("Package structure")
struct StructureTests {
  /// What each room may import; arrows point at rooms that stand above in this list.
  private static let allowed: [(room: String, imports: Set<String>)] = [
    ("CMPI", []),
    ("COpenBLAS", []),
    ("CZstd", []),
    ("TensorCore", ["COpenBLAS"]),
    ("Autograd", ["TensorCore"]),
    ("NeuralNet", ["Autograd"]),
    ("Optimizing", ["TensorCore"]),
    ("TextEncoding", ["NeuralNet"]),
    ("DialogueData", ["TensorCore"]),
    ("DFERCModel", ["NeuralNet", "TextEncoding"]),
    ("MPIKit", ["CMPI"]),
    ("DataParallel", ["TensorCore", "MPIKit"]),
    ("Checkpointing", ["TensorCore", "CZstd", "Crypto"]),
    (
      "Training",
      [
        "TensorCore", "Autograd", "NeuralNet", "Optimizing", "TextEncoding", "DialogueData",
        "DFERCModel", "MPIKit", "DataParallel", "Checkpointing", "Logging", "Yams",
      ]
    ),
    ("Experiments", ["Training"]),
    ("dferc-dist", ["Training", "Experiments", "ArgumentParser"]),
  ]

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

  @Test("Every room imports only what it may")
  func arrows() throws {
    let rooms = try describe().targets.filter { $0.path.hasPrefix("Sources/") }
    #expect(rooms.count >= 14)
    for room in rooms {
      let rule = try #require(
        Self.allowed.first { $0.room == room.name }, "\(room.name) is not in the list")
      let forbidden = room.imports.subtracting(rule.imports)
      #expect(forbidden.isEmpty, "\(room.name) imports \(forbidden.sorted())")
    }
  }

  @Test("Sources import only what the manifest declares or what lies below it")
  func importStatements() throws {
    let package = try describe()
    let names = Set(package.targets.map(\.name))
    for room in package.targets where room.path.hasPrefix("Sources/") {
      var reachable = Set<String>()
      var open = [room.name]
      while let next = open.popLast() {
        for name in package.targets.first(where: { $0.name == next })?.imports ?? []
        where reachable.insert(name).inserted {
          open.append(name)
        }
      }
      let imported = try imports(inFolder: room.path).intersection(names)
      #expect(imported.subtracting(reachable).isEmpty, "\(room.name) imports \(imported)")
    }
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

  /// `swift package describe` on the build folder that this test lies in, which is resolved.
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
    var names: Set<String> = []
    for text in try sources(inFolder: path) {
      for line in text.split(separator: "\n") where line.hasPrefix("import ") {
        names.insert(String(line.dropFirst("import ".count)))
      }
    }
    return names
  }
}
