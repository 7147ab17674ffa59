import ArgumentParser
import Configuration
import Testing
import Training

@testable import dferc_dist

@Suite("Commands: parsing")
struct ParsingTests {
  private func parse<Command: ParsableCommand>(
    _ arguments: String..., as type: Command.Type = Command.self
  ) throws -> Command {
    try #require(try DFERCDist.parseAsRoot(arguments) as? Command)
  }

  @Test("Without a command it trains with the defaults")
  func bare() throws {
    let command: TrainCommand = try parse()
    #expect(command.request == RunRequest())
    #expect(command.configuration.config == nil && command.configuration.data == nil)
    #expect(command.configuration.overrides.set.isEmpty && command.threading.threads == nil)
    let withThreads: TrainCommand = try parse("--threads", "2")
    #expect(withThreads.threading.threads == 2)
  }

  @Test("train takes its flags, --set more than once and in order")
  func train() throws {
    let command: TrainCommand = try parse(
      "train", "--config", "a.yaml", "--data", "d", "--output", "o", "--set", "train.seed=1",
      "--resume", "auto", "--set", "model.ablations=[no-ddm]", "--fast-dev-run", "--log-samples",
      "--threads", "3")
    let overrides = ["train.seed=1", "model.ablations=[no-ddm]"].compactMap {
      ConfigurationOverride($0)
    }
    #expect(
      command.request
        == RunRequest(output: "o", resume: .auto, isFastDevelopmentRun: true, logsSamples: true))
    #expect(command.configuration.config == "a.yaml" && command.configuration.data == "d")
    #expect(command.configuration.overrides.set == overrides)
    #expect(command.threading.threads == 3)
  }

  @Test("--resume is none, auto or a file")
  func resume() throws {
    let none: TrainCommand = try parse("--resume", "none")
    let file: TrainCommand = try parse("--resume", "runs/x/best.safetensors.zst")
    #expect(none.request.resume == .none)
    #expect(file.request.resume == .checkpoint("runs/x/best.safetensors.zst"))
  }

  @Test("evaluate and predict score the test split by default")
  func scoring() throws {
    let evaluate: EvaluateCommand = try parse("evaluate", "--checkpoint", "c", "--data", "d")
    #expect(evaluate.scoring.checkpoint == "c" && evaluate.scoring.data == "d")
    #expect(evaluate.scoring.split == .test && !evaluate.json)
    let predict: PredictCommand = try parse(
      "predict", "--checkpoint", "c", "--data", "d", "--split", "validation", "--output", "p")
    #expect(predict.scoring.split == .validation && predict.output == "p")
  }

  @Test("step keeps the order of the dialogues")
  func step() throws {
    let command: StepCommand = try parse(
      "step", "--config", "c", "--data", "d", "--dialogues", "b,a,c", "--weights", "w",
      "--no-dropout", "--output", "o")
    #expect(command.ids == ["b", "a", "c"])
    #expect(command.config == "c" && command.data == "d" && command.weights == "w")
    #expect(command.noDropout && command.output == "o" && command.split == .train)
  }

  @Test("checkpoint, data, bench, config and doctor take their arguments")
  func others() throws {
    let inspect: InspectCommand = try parse("checkpoint", "inspect", "f")
    let verify: VerifyCommand = try parse("checkpoint", "verify", "f")
    let export: ExportCommand = try parse("checkpoint", "export", "f", "--output", "o")
    #expect(inspect.file == "f" && verify.path == "f")
    #expect(export.file == "f" && export.output == "o")
    let synthesize: SynthesizeCommand = try parse(
      "data", "synthesize", "--output", "o", "--seed", "7", "--scale", "0.5", "--half")
    #expect(synthesize.output == "o" && synthesize.seed == 7)
    #expect(synthesize.scale == 0.5 && synthesize.half)
    let byPosition: ValidateCommand = try parse("data", "validate", "d")
    let byFlag: ValidateCommand = try parse("data", "validate", "--data", "d")
    #expect(byPosition.folder == "d" && byFlag.data == "d")
    let bench: BenchCommand = try parse("bench", "--dialogues", "16", "--json")
    #expect(bench.dialogues == 16 && bench.json)
    let print: ConfigPrintCommand = try parse("config", "print", "--data", "d")
    #expect(print.configuration.data == "d")
    let doctor: DoctorCommand = try parse("doctor", "--json", "--threads", "1")
    #expect(doctor.json && doctor.threading.threads == 1)
  }

  @Test(
    "Invalid arguments are usage errors",
    arguments: [
      ["--nonsense"], ["nonsense"], ["train", "extra"], ["--threads", "0"], ["--threads", "two"],
      ["train", "--set", "seed"], ["evaluate", "--data", "d"], ["evaluate", "--checkpoint", "c"],
      ["evaluate", "--checkpoint", "c", "--data", "d", "--split", "dev"],
      ["step", "--config", "c", "--data", "d", "--dialogues", "a,,b", "--output", "o"],
      ["step", "--config", "c", "--data", "d", "--dialogues", "a,a", "--output", "o"],
      ["data", "validate"], ["data", "validate", "d", "--data", "d"], ["data", "synthesize"],
      ["bench", "--dialogues", "0"], ["bench", "--steps", "0"], ["bench", "--warmup", "-1"],
      ["checkpoint", "export", "f"], ["config", "print", "--threads", "2"],
      ["--threads", "100000000"], ["bench", "--dialogues", "9223372036854775807"],
      ["bench", "--steps", "9223372036854775807"], ["bench", "--warmup", "9223372036854775807"],
      ["bench", "--dialogues", "60000", "--steps", "60000"], ["train", "--output", ""],
      ["predict", "--checkpoint", "c", "--data", "d", "--output", ""],
      ["step", "--config", "c", "--data", "d", "--dialogues", "a", "--output", ""],
      ["checkpoint", "export", "f", "--output", ""], ["data", "synthesize", "--output", ""],
    ])
  func usageErrors(arguments: [String]) {
    let error = #expect(throws: (any Error).self) { _ = try DFERCDist.parseAsRoot(arguments) }
    if let error { #expect(DFERCDist.exitCode(for: error).rawValue == 64) }
  }

  @Test(
    "The rank is known before MPI is started",
    arguments: [
      ([:], 0), (["OMPI_COMM_WORLD_RANK": "3"], 3), (["PMIX_RANK": "2"], 2),
      (["SLURM_PROCID": "5"], 5), (["OMPI_COMM_WORLD_RANK": "1", "SLURM_PROCID": "0"], 1),
    ])
  func rank(environment: [String: String], rank: Int) {
    #expect(Launch(environment: environment).rank == rank)
  }
}
