import Checkpointing
import Files
import Foundation
import TensorCore
import TestSupport
import Testing

/// Commands on damaged and forged files: the exit code, and one line of error.
///
/// `DFERC_FUZZ_COMMANDS` is the number of damaged files that each command reads.
@Suite("Commands: hostile files")
struct HostileFileCommandTests {
  private let small: SmallRun

  init() throws {
    small = try SmallRun()
    let run = try small.train("run", ["--set", "train.maxSteps=4"])
    try #require(run.status == 0, "\(run.errors)")
  }

  private var checkpoint: String {
    small.folder.path("run/checkpoints/step-00000004.safetensors.zst")
  }

  private func expectRefusal(
    _ program: Program, codes: Set<Int32> = [65, 66, 78], saying words: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let lines = program.errors.split(separator: "\n").filter { $0.hasPrefix("dferc-dist: ") }
    #expect(codes.contains(program.status), "\(program.errors)", sourceLocation: sourceLocation)
    #expect(lines.count == 1, "\(program.errors)", sourceLocation: sourceLocation)
    #expect(!program.errors.contains("rashed"), "\(program.errors)", sourceLocation: sourceLocation)
    guard let words else { return }
    #expect(
      lines.first?.contains(words) == true, "\(program.errors)", sourceLocation: sourceLocation)
  }

  // MARK: - Damaged files

  /// A file of the run, and the commands that read it.
  struct InputFile: Sendable, CustomTestStringConvertible {
    let file: String
    let commands: [[String]]
    var testDescription: String { file }
  }

  static let inputFiles = [
    InputFile(
      file: "run/checkpoints/step-00000004.safetensors.zst",
      commands: [
        ["evaluate", "--data", "DIR/data", "--checkpoint", "FILE"],
        ["predict", "--data", "DIR/data", "--output", "DIR/out.jsonl", "--checkpoint", "FILE"],
        ["checkpoint", "verify", "FILE"], ["checkpoint", "inspect", "FILE"],
        ["checkpoint", "export", "FILE", "--output", "DIR/out.safetensors"],
        [
          "train", "--config", "DIR/small.yaml", "--data", "DIR/data", "--output", "DIR/other",
          "--set", "train.maxSteps=5", "--resume", "FILE",
        ],
      ]),
    InputFile(
      file: "weights.safetensors",
      commands: [
        [
          "step", "--config", "DIR/small.yaml", "--data", "DIR/data", "--dialogues", "train-0",
          "--output", "DIR/out.safetensors", "--weights", "FILE",
        ]
      ]),
    InputFile(file: "data/dataset.json", commands: [["data", "validate", "DIR/data"]]),
    InputFile(file: "data/test.jsonl", commands: [["data", "validate", "DIR/data"]]),
    InputFile(file: "data/test.safetensors", commands: [["data", "validate", "DIR/data"]]),
    InputFile(file: "small.yaml", commands: [["config", "print", "--config", "FILE"]]),
  ]

  @Test(
    "A damaged file ends every command with one line and a documented code", arguments: inputFiles)
  func damagedFiles(input: InputFile) throws {
    let count = ProcessInfo.processInfo.environment["DFERC_FUZZ_COMMANDS"].flatMap { Int($0) } ?? 4
    let path = small.folder.path(input.file)
    if input.file == "weights.safetensors" {
      try #require(try Program("checkpoint", "export", checkpoint, "--output", path).status == 0)
    }
    let sound = try FileSystem.readAll(path)
    for number in 0..<count {
      var stream = RandomStream(seed: 1, purpose: input.file, step: number)
      try FileSystem.write(ByteDamage.anywhere(in: sound, &stream), to: path, atomically: false)
      for command in input.commands {
        let arguments = command.map {
          $0.replacing("DIR", with: small.folder.path).replacing("FILE", with: path)
        }
        let program = try Program(arguments)
        if program.status != 0 { expectRefusal(program) }
      }
      try? FileManager.default.removeItem(atPath: small.folder.path("other"))
    }
  }

  // MARK: - Forged files

  /// A valid checkpoint with the tensors of the run, but other metadata or counts.
  private func forged(
    _ metadata: [String: String] = [:], counts: Int64? = nil
  ) throws -> String {
    let source = try Checkpoint(path: checkpoint)
    var draft = CheckpointContents()
    draft.metadata = source.metadata.filter { !["format", "version", "sha256"].contains($0.key) }
      .merging(metadata) { $1 }
    for entry in source.tensors.header.entries.values {
      if entry.name == "counts", let counts {
        draft.add(
          entry.name, [Int64](repeating: counts, count: entry.elementCount), shape: entry.shape)
      } else if entry.type == .f64 {
        draft.add(entry.name, try source.tensors.doubles(entry.name), shape: entry.shape)
      } else if entry.type == .i64 {
        draft.add(entry.name, try source.tensors.integers(entry.name), shape: entry.shape)
      } else {
        draft.add(entry.name, try source.tensors.floats(entry.name), shape: entry.shape)
      }
    }
    let store = CheckpointStore(folder: small.folder.path("forged"), keepLast: 1)
    try store.prepare()
    return try store.save(draft, step: 4)
  }

  private func evaluate(_ checkpoint: String) throws -> Program {
    try Program("evaluate", "--checkpoint", checkpoint, "--data", small.data)
  }

  private func resume(_ checkpoint: String) throws -> Program {
    try small.train("other", ["--resume", checkpoint, "--set", "train.maxSteps=5"])
  }

  @Test("A checkpoint whose metadata contradict its tensors is refused before memory is allocated")
  func claimedModel() throws {
    let configuration = try Checkpoint(path: checkpoint).text("config")
    let claims = [
      (configuration.replacing("width: 24", with: "width: 16384"), "but [16384, "),
      (configuration.replacing("contextHidden: 16", with: "contextHidden: 16384"), "is needed"),
      ("data: {modalities: [\(String(repeating: "text, ", count: 100))text]}", "twice"),
      (String(repeating: "[", count: 60_000), "nesting"),
    ]
    for (claim, words) in claims {
      expectRefusal(try evaluate(forged(["config": claim])), codes: [65, 78], saying: words)
    }
    let emotions = "[" + (0..<200_000).map { "\"\($0)\"" }.joined(separator: ",") + "]"
    expectRefusal(try evaluate(forged(["emotions": emotions])), codes: [65], saying: "200000")
    let nested = String(repeating: "[", count: 513)
    expectRefusal(try evaluate(forged(["emotions": nested])), codes: [65], saying: "emotions")
  }

  @Test("Negative and too large counts are refused")
  func claimedCounts() throws {
    for key in ["step", "epoch", "cursor", "epochs_without_improvement", "optimizer_updates"] {
      for value in ["9223372036854775807", "-1", "9007199254740993"] {
        let program = try resume(forged([key: value]))
        expectRefusal(program, codes: [65], saying: "metadata \(key): it is \"\(value)\"")
      }
    }
    for counts in [Int64.max, -1] {
      let path = try forged(counts: counts)
      for program in [try resume(path), try evaluate(path)] {
        expectRefusal(program, codes: [65], saying: "a count is negative or above 2^53")
      }
    }
  }

  @Test("Names from a file are escaped and truncated when printed")
  func escapedText() throws {
    let path = try forged([
      "note\u{1B}[31m": "\u{1B}]0;x\u{7}", "config": "data:\n  path: \"\u{1B}[2J\"",
    ])
    let inspected = try Program("checkpoint", "inspect", path)
    #expect(inspected.status == 0)
    #expect(!inspected.output.contains("\u{1B}") && !inspected.output.contains("\u{7}"))
    let long = try evaluate(forged(["config": String(repeating: "x", count: 1000) + ": 1"]))
    expectRefusal(long, codes: [78], saying: "xxx...")
    #expect(long.errors.count < 500)
  }

  // MARK: - Configurations

  @Test("A model that exceeds the memory is a configuration error")
  func tooLargeModel() throws {
    let run = try small.train(
      "huge",
      [
        "--set", "model.width=16384", "--set", "model.alignmentWidth=16384", "--set",
        "model.contextHidden=16384",
      ], ranks: 2)
    expectRefusal(run, codes: [78], saying: "parameters take")
  }
}
