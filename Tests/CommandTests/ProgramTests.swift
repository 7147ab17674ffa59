import Checkpointing
import Configuration
import Files
import Foundation
import JobControl
import TensorCore
import TestSupport
import Testing
import Training

@Suite("Commands: the program")
struct ProgramTests {
  @Test("--version and --help succeed on standard output")
  func information() throws {
    let version = try Program("--version")
    #expect(version.status == 0 && version.output == "\(ProgramVersion.current)\n")
    let help = try Program("train", "--help")
    #expect(help.status == 0 && help.output.hasPrefix("OVERVIEW: Trains the model"))
    #expect(version.errors.isEmpty && help.errors.isEmpty)
  }

  @Test("Completions are generated", arguments: ["bash", "zsh", "fish"])
  func completions(shell: String) throws {
    let script = try Program("--generate-completion-script", shell)
    #expect(script.status == 0 && script.output.contains("fast-dev-run"))
  }

  @Test("Tasks of srun without a common MPI world are refused")
  func strayTasks() throws {
    for rank in [[:], ["PMIX_RANK": "0"]] {
      let program = try Program(
        ["train", "--fast-dev-run"],
        environment: rank.merging(["SLURM_STEP_NUM_TASKS": "4"]) { $1 })
      #expect(program.status == 64, "\(program.errors)")
      #expect(program.errors.contains("srun started 4 tasks"), "\(program.errors)")
    }
  }

  @Test("bench prints every figure", arguments: [nil, 2])
  func bench(ranks: Int?) throws {
    struct Figures: Decodable {
      struct Sums: Decodable { let shared, messages, library: Double }
      let utterancesPerSecond, saveStallMs, saveBackgroundS, sgemmFlopRate: Double
      let microBatchesMs: [Double]?
      let sumMs: Sums?
      let phaseMs: [String: Double]
    }
    let program = try Program(
      [
        "bench", "--json", "--dialogues", "4", "--steps", "2", "--warmup", "1", "--threads", "1",
        "--set", "model.width=24", "--set", "model.contextHidden=16",
      ], ranks: ranks)
    try #require(program.status == 0, "\(program.errors)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let found = try decoder.decode(Figures.self, from: Data(program.output.utf8))
    let figures = [
      found.utterancesPerSecond, found.saveStallMs, found.saveBackgroundS, found.sgemmFlopRate,
    ]
    for figure in figures + found.phaseMs.values { #expect(figure > 0) }
    // Micro-batches are timed on one rank only, sums on several only.
    #expect(found.microBatchesMs?.filter { $0 > 0 }.count == (ranks == nil ? 4 : nil))
    let sums = found.sumMs.map { [$0.shared, $0.messages, $0.library] }
    #expect(sums?.filter { $0 > 0 }.count == (ranks == nil ? nil : 3))
  }

  @Test("A usage error is printed to standard error, with exit code 64")
  func usage() throws {
    let program = try Program("--nonsense")
    #expect(program.status == 64 && program.output.isEmpty)
    #expect(program.errors.hasPrefix("Error: Unknown option '--nonsense'"))
  }

  @Test("Under a launcher, only rank 0 prints usage errors and help")
  func otherRanks() throws {
    let rank = ["OMPI_COMM_WORLD_RANK": "1"]
    for arguments in [["--nonsense"], ["--help"], ["config", "print"]] {
      let program = try Program(arguments, environment: rank)
      #expect(program.status == (arguments == ["--nonsense"] ? 64 : 0))
      #expect(program.output.isEmpty && program.errors.isEmpty, "\(arguments)")
    }
  }

  @Test("config print reads its own output")
  func configPrint() throws {
    try withTemporaryFolder { folder in
      let first = try Program("config", "print", "--set", "train.seed=9")
      #expect(first.status == 0 && first.errors.isEmpty)
      try FileSystem.write(first.output, to: folder.path("a.yaml"))
      let second = try Program("config", "print", "--config", folder.path("a.yaml"))
      #expect(second.output.contains("seed: 9"))
      #expect(second.output.contains("# \(folder.path("a.yaml")):"))
    }
  }

  @Test("Errors are one line with the documented exit code")
  func errors() throws {
    let unknown = try Program("config", "print", "--set", "train.sede=1")
    #expect(unknown.status == 78)
    #expect(
      unknown.errors
        == "dferc-dist: --set train.sede: unknown key. The nearest known one is train.seed.\n")
    let missing = try Program("config", "print", "--config", "/nonexistent.yaml")
    #expect(missing.status == 66 && missing.errors.split(separator: "\n").count == 1)
    let noData = try Program("data", "validate", "/nonexistent")
    #expect(noData.status == 66 && noData.errors.split(separator: "\n").count == 1)
  }

  @Test("data synthesize writes a folder that data validate accepts, the same each time")
  func synthesize() throws {
    try withTemporaryFolder { folder in
      let first = try Program(
        "data", "synthesize", "--output", folder.path("a"), "--scale", "0.02")
      let second = try Program(
        "data", "synthesize", "--output", folder.path("b"), "--scale", "0.02")
      let checked = try Program("data", "validate", "--data", folder.path("a"))
      #expect(first.status == 0 && first.output == second.output)
      #expect(checked.status == 0 && checked.output == first.output)
      #expect(checked.output.contains("everything is in order\n"))
      for name in ["train", "validation"] {
        try FileSystem.remove(folder.path("b/\(name).jsonl"))
      }
      let partial = try Program("data", "validate", folder.path("b"))
      #expect(partial.status == 0, "\(partial.errors)")
      #expect(partial.output.contains("; there is no train and no validation split, which train"))
      try FileSystem.remove(folder.path("b/test.jsonl"))
      #expect(try Program("data", "validate", folder.path("b")).status == 66)
      let again = try Program("data", "synthesize", "--output", folder.path("a"))
      #expect(again.status == 65 && again.errors.contains("holds a dataset already"))
      let tooLarge = try Program(
        "data", "synthesize", "--output", folder.path("c"), "--scale", "1e9")
      #expect(tooLarge.status == 64 && tooLarge.errors.hasPrefix("dferc-dist: --scale: "))
      let damaged = folder.path("a/train.jsonl")
      try FileSystem.write("{\"id\": 3}\n", to: damaged)
      let broken = try Program("data", "validate", folder.path("a"))
      #expect(broken.status == 65 && broken.errors.contains(damaged))
    }
  }
}

@Suite("Commands: checkpoints")
struct CheckpointCommandTests {
  private func save(in folder: TemporaryFolder) throws -> CheckpointStore {
    let store = CheckpointStore(folder: folder.path("run"), keepLast: 3)
    try store.prepare()
    for step in [1, 2] {
      var draft = CheckpointContents()
      draft.add("classifier.bias", [Float(step), 2, 3], shape: [3])
      draft.add("optimizer.exp_avg.classifier.bias", [Float](repeating: 0, count: 3), shape: [3])
      draft.add("prototype_sums", [1.0, 2, 3, 4], shape: [2, 2])
      draft.add("counts", [Int64(4), 5], shape: [2])
      draft.set("step", integer: step)
      draft.set("config", text: RunConfiguration().yaml)
      draft.set("emotions", text: #"["joy","anger"]"#)
      draft.set("best", text: "{\n  \"epoch\" : 1,\n  \"f1\" : 0.1\n}\n")
      try store.save(draft, step: step)
    }
    return store
  }

  @Test("inspect prints metadata, configuration and tensors")
  func inspect() throws {
    try withTemporaryFolder { folder in
      let store = try save(in: folder)
      let program = try Program("checkpoint", "inspect", store.path(ofStep: 2))
      #expect(program.status == 0)
      for line in [
        "  step: 2", #"  best: { "epoch" : 1, "f1" : 0.1 }"#,
        "  optimizer:", "    learningRate: 0.001",
        "classifier.bias                     F32      3       3",
        "prototype_sums                      F64  2 x 2       4",
        "4 tensors                                           12",
      ] {
        #expect(program.output.split(separator: "\n").contains(Substring(line)), "\(line)")
      }
    }
  }

  @Test("verify prints a line for every file of a folder, and fails if one is broken")
  func verify() throws {
    try withTemporaryFolder { folder in
      let store = try save(in: folder)
      let sound = try Program("checkpoint", "verify", folder.path("run"))
      #expect(
        sound.output == "sound   \(store.path(ofStep: 1)) (step 1)\n"
          + "sound   \(store.path(ofStep: 2)) (step 2)\n")
      #expect(sound.status == 0)

      let path = store.path(ofStep: 1)
      let bytes = try FileSystem.readAll(path)
      try FileSystem.write(Array(bytes.dropLast(5)), to: path)
      let broken = try Program("checkpoint", "verify", folder.path("run"))
      #expect(
        broken.output == "broken  \(path)\nsound   \(store.path(ofStep: 2)) (step 2)\n")
      #expect(broken.status == 65 && broken.errors.hasPrefix("dferc-dist: \(path)"))
      let single = try Program("checkpoint", "verify", store.path(ofStep: 2))
      #expect(single.status == 0)
    }
  }

  @Test("verify fails for a missing file and for a folder without checkpoints")
  func verifyMissing() throws {
    try withTemporaryFolder { folder in
      let empty = try Program("checkpoint", "verify", folder.path)
      let missing = try Program("checkpoint", "verify", folder.path("no.zst"))
      #expect(empty.status == 66 && missing.status == 66)
    }
  }

  @Test("export writes the model as plain safetensors, without optimizer state")
  func export() throws {
    try withTemporaryFolder { folder in
      let store = try save(in: folder)
      let output = folder.path("model.safetensors")
      let program = try Program(
        "checkpoint", "export", store.path(ofStep: 2), "--output", output)
      #expect(program.status == 0 && program.output.isEmpty)
      let file = try SafetensorsFile(path: output)
      #expect(file.header.entries.keys.sorted() == ["classifier.bias", "counts"])
      #expect(try file.floats("classifier.bias") == [2, 2, 3])
      #expect(try file.integers("counts") == [4, 5])
      #expect(file.header.metadata["step"] == "2")
      #expect(file.header.metadata["emotions"] == #"["joy","anger"]"#)
    }
  }

  @Test("export into a folder that does not exist is a usage error")
  func exportNowhere() throws {
    try withTemporaryFolder { folder in
      let store = try save(in: folder)
      let program = try Program(
        "checkpoint", "export", store.path(ofStep: 2), "--output", folder.path("no/m.safetensors"))
      #expect(program.status == 64 && program.errors.contains("does not exist"))
    }
  }
}
