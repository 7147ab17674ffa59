import Checkpointing
import TensorCore

extension Commands {
  /// Inspects, verifies or exports checkpoints.
  ///
  /// - Throws: `CheckpointError` if one is not as it should be, `FileError` if the storage fails.
  public static func checkpoint(_ request: CheckpointRequest) throws {
    switch request {
    case .inspect(let file): try StandardOutput.write(try inspection(of: file))
    case .verify(let path): try verify(path)
    case .export(let file, let output): try export(file, to: output)
    }
  }
}

// MARK: - Inspecting

extension Commands {
  /// The metadata, the configuration and the tensors of a checkpoint as text.
  static func inspection(of file: String) throws -> String {
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

// MARK: - Verifying

extension Commands {
  /// Verifies one file, or every checkpoint of a folder, and prints a line for each.
  ///
  /// A broken one does not keep the others from being checked; the first is thrown at the end.
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

// MARK: - Exporting

extension Commands {
  /// Metadata that say how to use the parameters; the rest belongs to the training run.
  private static let exportedKeys = ["config", "emotions", "epoch", "step"]

  /// Writes what the model consists of; optimizer state and the exact sums stay behind.
  private static func export(_ file: String, to output: String) throws {
    try OutputFile.requireFolder(of: output)
    let checkpoint = try Checkpoint(path: file)
    // Readers for PyTorch expect this word; it names the layout of the tensors.
    var writer = SafetensorsWriter(metadata: ["format": "pt"])
    for key in exportedKeys { writer.metadata[key] = checkpoint.metadata[key] }
    for entry in checkpoint.tensors.header.entriesInFileOrder
    where !entry.name.hasPrefix("optimizer.") && entry.name != "prototype_sums" {
      writer.add(entry.name, type: entry.type, shape: entry.shape) { sink in
        try sink(try checkpoint.tensors.bytes(entry.name))
      }
    }
    try writer.write(toFile: output)
  }
}
