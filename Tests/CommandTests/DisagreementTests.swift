import Files
import Foundation
import TensorCore
import TestSupport
import Testing

/// Ranks with different inputs, as on nodes with different copies.
@Suite("Commands: ranks that disagree")
struct DisagreementTests {
  private let small: SmallRun
  /// The same path on every rank, which resolves to another folder on rank 1.
  private let data = "/proc/self/cwd/data"

  init() throws {
    small = try SmallRun()
    let other = small.folder.path("other")
    try FileSystem.createDirectory(other)
    try FileManager.default.copyItem(atPath: small.data, toPath: "\(other)/data")
    for split in ["train", "test"] {
      let lines = try small.text("data/\(split).jsonl").replacing("\"joy\"", with: "\"anger\"")
      try FileSystem.write(lines, to: "\(other)/data/\(split).jsonl")
    }
  }

  /// Runs a command on two ranks, after a shell command on rank 1.
  private func run(_ arguments: [String], onSecond difference: String) throws -> Program {
    let wrapper = small.folder.path("differ.sh")
    try FileSystem.write(
      """
      #!/bin/sh
      cd \(small.folder.path)
      if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then \(difference); fi
      exec "$@"
      """, to: wrapper)
    return try Program(arguments, ranks: 2, wrapper: ["sh", wrapper])
  }

  private var train: [String] {
    [
      "train", "--config", small.configuration, "--data", data, "--output",
      small.folder.path("run"), "--set", "train.maxSteps=2",
    ]
  }

  private func expectDisagreement(_ run: Program, _ difference: String) {
    #expect(run.status == 76, "\(run.errors)")
    #expect(run.output.isEmpty)
    #expect(run.errors.contains("dferc-dist: rank 1 has another \(difference)"), "\(run.errors)")
  }

  @Test("Another configuration is reported by the first line that differs")
  func configuration() throws {
    let run = try run(train, onSecond: "set -- \"$@\" --set train.seed=7")
    expectDisagreement(run, "configuration than rank 0: seed: 7 instead of seed: 42. ")
    #expect(!FileSystem.exists(small.folder.path("run")))
  }

  @Test("Other data under the same path is found before the first step")
  func dataset() throws {
    expectDisagreement(try run(train, onSecond: "cd other"), "dataset than rank 0: ")
    #expect(!FileSystem.exists(small.folder.path("run")))
  }

  @Test("Another file of the program is refused with fixed micro-batches only")
  func build() throws {
    // Bytes appended to an executable do not change its behaviour.
    let copy = small.folder.path("copy")
    try FileManager.default.copyItem(atPath: Program.executable.path, toPath: copy)
    let file = try FileWriter(path: copy, mode: .append)
    try file.write("another build")
    try file.close()
    let difference = "shift; set -- \(copy) \"$@\""
    let fixed = try run(train + ["--set", "train.microBatches=2"], onSecond: difference)
    expectDisagreement(fixed, "build of the program than rank 0: ")
    #expect(try run(train, onSecond: difference).status == 0)
  }

  @Test("evaluate, predict and step end if ranks have read different data")
  func scoring() throws {
    let trained = try small.train("trained", ["--set", "train.maxSteps=2"])
    try #require(trained.status == 0, "\(trained.errors)")
    let checkpoint = small.folder.path("trained/best.safetensors.zst")
    for command in ["evaluate", "predict"] {
      let run = try run(
        [command, "--checkpoint", checkpoint, "--data", data], onSecond: "cd other")
      expectDisagreement(run, "dataset than rank 0: ")
    }
    let lines = try small.text("data/train.jsonl").split(separator: "\n")
    let first = try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any]
    let step = [
      "step", "--config", small.configuration, "--data", data, "--dialogues",
      try #require(first?["id"] as? String), "--output", small.folder.path("step.safetensors"),
    ]
    expectDisagreement(try run(step, onSecond: "cd other"), "dataset than rank 0: ")
    let weights = small.folder.path("weights.safetensors")
    let exported = try Program("checkpoint", "export", checkpoint, "--output", weights)
    try #require(exported.status == 0, "\(exported.errors)")
    expectDisagreement(
      try run(step, onSecond: "set -- \"$@\" --weights \(weights)"), "set of weights than rank 0: ")
  }
}
