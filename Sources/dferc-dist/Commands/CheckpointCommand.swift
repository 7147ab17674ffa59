import ArgumentParser
import Checkpointing
import Files
import RunRecords

/// `checkpoint`: operations on checkpoints outside of a run.
struct CheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "Inspects, verifies and exports checkpoints.",
    subcommands: [InspectCommand.self, VerifyCommand.self, ExportCommand.self])
}

/// `checkpoint inspect`: the contents of a checkpoint.
struct InspectCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Prints the metadata, the configuration and the tensors of a checkpoint.",
    discussion: """
      Example:
        dferc-dist checkpoint inspect runs/mosi/best.safetensors.zst
      """)

  @Argument(help: "The checkpoint.", completion: .file(extensions: ["zst"]))
  var file: String

  func run() throws { try StandardOutput.write(try Self.inspection(of: file)) }

  /// The metadata, the configuration and the tensors of a checkpoint as text.
  package static func inspection(of file: String) throws -> String {
    let header = try Checkpoint.verify(path: file)
    var metadata = header.metadata
    let configuration = metadata.removeValue(forKey: "config") ?? ""
    let facts = metadata.sorted { $0.key < $1.key }.map {
      "  \($0.key.excerpt()): \(JSONText.compact($0.value).excerpt(limit: 10_000))\n"
    }
    let settings = configuration.split(separator: "\n").map {
      "  \(String($0).excerpt(limit: 10_000))\n"
    }
    return "\(file)\n\nmetadata\n\(facts.joined())\nconfiguration\n\(settings.joined())\n"
      + tensorTable(of: header)
  }

  private static func tensorTable(of header: SafetensorsHeader) -> String {
    var table = TextTable(header: ["tensor", "type", "shape", "values"])
    let entries = header.entries.values.sorted { $0.name < $1.name }
    for entry in entries {
      let shape = entry.shape.map { String($0) }.joined(separator: " x ")
      table.add([
        entry.name.excerpt(limit: 200), entry.type.rawValue, shape.isEmpty ? "scalar" : shape,
        String(entry.elementCount),
      ])
    }
    table.addRule()
    let values = entries.reduce(0) { $0 + $1.elementCount }
    table.add(["\(entries.count) tensors", "", "", String(values)])
    return table.text
  }
}

/// `checkpoint verify`: the integrity of checkpoints.
struct VerifyCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks a checkpoint, or all checkpoints of a folder, to the last bit.",
    discussion: """
      Every checkpoint gets a line. If one is broken, the exit code is 65.

      Example:
        dferc-dist checkpoint verify runs/mosi
      """)

  @Argument(help: "The checkpoint, or a run folder.", completion: .file())
  var path: String

  func run() throws { try Self.verify(path) }

  /// Verifies one file, or every checkpoint of a folder, and prints a line for each.
  ///
  /// All files are checked before the error of the first broken one is thrown.
  private static func verify(_ path: String) throws {
    var firstFailure: CheckpointError?
    for file in try checkpoints(at: path) {
      do {
        let header = try Checkpoint.verify(path: file)
        let step = header.metadata["step"].map { " (step \($0))" } ?? ""
        try StandardOutput.write("sound   \(file)\(step)\n")
      } catch let error as CheckpointError {
        firstFailure = firstFailure ?? error
        try StandardOutput.write("broken  \(file)\n")
      }
    }
    if let firstFailure { throw firstFailure }
  }

  /// The file itself, or the checkpoints of a run folder or of the folder in it.
  private static func checkpoints(at path: String) throws -> [String] {
    guard FileSystem.isDirectory(path) else { return [path] }
    let store = CheckpointStore(folder: path, keepLast: 1)
    let folders = [path, store.stepFolder].filter(FileSystem.isDirectory)
    let files = try folders.flatMap { folder in
      try FileSystem.list(folder).filter { $0.hasSuffix(".safetensors.zst") }
        .map { "\(folder)/\($0)" }
    }
    guard files.isEmpty else { return files }
    throw CheckpointError(
      kind: .missing, path: path, place: "folder", reason: "it holds no checkpoint",
      cure: "Name a run folder, or a file that ends in .safetensors.zst.")
  }
}

/// `checkpoint export`: the model without optimizer state.
struct ExportCommand: SingleRankCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes the model, without optimizer state, as a plain safetensors file.",
    discussion: """
      Any safetensors library reads the file, and so does step --weights.

      Example:
        dferc-dist checkpoint export runs/mosi/best.safetensors.zst \\
          --output mosi.safetensors
      """)

  @Argument(help: "The checkpoint.", completion: .file(extensions: ["zst"]))
  var file: String

  @Option(
    help: ArgumentHelp("The safetensors file to write.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  func validate() throws { try requirePath(output, "--output") }

  func run() throws { try Self.export(file, to: output) }

  /// The metadata that a user of the parameters needs; the rest describes the training run.
  private static let exportedKeys = ["config", "emotions", "epoch", "model", "step", "widths"]

  /// Writes parameters and running buffers, without optimizer state and without the exact sums in
  /// Float64, of which the means are written.
  static func export(_ file: String, to output: String) throws {
    try OutputFile.requireFolder(of: output)
    let checkpoint = try Checkpoint(path: file)
    // PyTorch readers require this format, which is the layout of the tensors.
    var writer = SafetensorsWriter(metadata: ["format": "pt"])
    for key in exportedKeys { writer.metadata[key] = checkpoint.metadata[key] }
    for entry in checkpoint.tensors.header.entriesInFileOrder
    where !entry.name.hasPrefix("optimizer.") && entry.type != .f64 {
      writer.add(entry.name, type: entry.type, shape: entry.shape) { sink in
        try sink(try checkpoint.tensors.bytes(entry.name))
      }
    }
    try writer.write(toFile: output)
  }
}
