import Files
import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Checkpointing

/// The tools outside this program that can open a checkpoint.
///
/// `DFERC_PYTHON` names a Python that has the packages; without it `python3` is tried.
enum OutsideTools {
  static let python = ProcessInfo.processInfo.environment["DFERC_PYTHON"] ?? "python3"

  static let arePresent =
    (try? run([python, "-c", "import safetensors.numpy"])) != nil
    && (try? run(["zstd", "--version"])) != nil

  struct Failure: Error {
    let command: [String]
    let status: Int32
  }

  /// Runs a command that is looked up in the path, and returns its output.
  @discardableResult
  static func run(_ command: [String]) throws -> Data {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(command: command, status: process.terminationStatus)
    }
    return data
  }
}

@Suite(
  "Checkpoint in Python",
  .enabled(
    if: OutsideTools.arePresent,
    "needs the zstd tool and a Python with the packages safetensors and numpy; see DFERC_PYTHON"))
struct CheckpointPythonTests {
  struct Report: Decodable {
    struct Tensor: Decodable, Equatable {
      let type: String
      let shape: [Int]
      let hexadecimal: String
    }
    let tensors: [String: Tensor]
    let metadata: [String: String]
  }

  private static let script = """
    import json, sys
    from safetensors import safe_open
    with safe_open(sys.argv[1], framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata()
    tensors = {
        name: {"type": str(a.dtype), "shape": list(a.shape), "hexadecimal": a.tobytes().hex()}
        for name, a in arrays.items()
    }
    print(json.dumps({"tensors": tensors, "metadata": metadata}))
    """

  private static func hexadecimal(_ bytes: UnsafeRawBufferPointer) -> String {
    bytes.map { String(0x100 + Int($0), radix: 16).dropFirst() }.joined()
  }

  @Test("after `zstd -d` the Python package opens a checkpoint and finds the same bits")
  func opens() throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path, keepLast: 1)
      let path = try store.save(sampleDraft(seed: 4), step: 4)
      let plain = folder.path("plain.safetensors")
      try OutsideTools.run(["zstd", "-d", "-q", path, "-o", plain])
      let output = try OutsideTools.run([OutsideTools.python, "-c", Self.script, plain])
      let report = try JSONDecoder().decode(Report.self, from: output)
      let checkpoint = try Checkpoint(path: path)
      #expect(report.metadata == checkpoint.metadata)
      #expect(report.tensors.count == checkpoint.tensors.header.entries.count)
      let types: [SafetensorsType: String] = [.f32: "float32", .f64: "float64", .i64: "int64"]
      for entry in checkpoint.tensors.header.entries.values {
        let expected = Report.Tensor(
          type: try #require(types[entry.type]), shape: entry.shape,
          hexadecimal: Self.hexadecimal(try checkpoint.tensors.bytes(entry.name)))
        #expect(report.tensors[entry.name] == expected)
      }
      // The plain file is the very content of the frame.
      #expect(
        try FileSystem.readAll(plain)
          == content(ofFrame: FileSystem.readAll(path)))
    }
  }

  @Test("a checkpoint that was unpacked and packed again by the tool opens here")
  func repacked() throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path, keepLast: 1)
      let path = try store.save(sampleDraft(seed: 4), step: 4)
      let plain = folder.path("plain.safetensors")
      try OutsideTools.run(["zstd", "-d", "-q", path, "-o", plain])
      try OutsideTools.run(["zstd", "-19", "-q", plain])
      #expect(try Checkpoint(path: "\(plain).zst").metadata == Checkpoint(path: path).metadata)
    }
  }
}
