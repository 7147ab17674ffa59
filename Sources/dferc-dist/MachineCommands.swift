import ArgumentParser
import Training

/// `bench`: how fast a training step is here.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures the speed of training steps on random batches of MELD's size.",
    discussion: """
      It prints utterances per second, the time of a step by phase, the model's arithmetic against \
      this machine's peak of matrix products, the time of the sum over ranks, what fixed \
      micro-batches cost, and how long a save holds up training.

      Examples:
        dferc-dist bench --threads 1
        mpirun -np 2 dferc-dist bench --threads 1 --dialogues 16 --json
        mpirun -np 2 dferc-dist bench --set optimizer.sharded=true
      """)

  @Option(help: "The number of dialogues in the global batch, over all ranks.")
  var dialogues = 8

  @Option(help: "The number of steps that are measured.")
  var steps = 30

  @Option(help: "The number of steps before the measurement.")
  var warmup = 5

  @Flag(help: "Prints JSON instead of a table.")
  var json = false

  @OptionGroup var overrides: OverrideArguments

  @OptionGroup var threading: ThreadArguments

  var request: BenchRequest {
    BenchRequest(
      dialogues: dialogues, steps: steps, warmup: warmup, printsJSON: json,
      overrides: overrides.set, threads: threading.threads)
  }

  func validate() throws {
    let limit = RequestLimits.benchDialogues
    try requireCount(dialogues, "--dialogues", upTo: limit)
    try requireCount(steps, "--steps", upTo: limit)
    try requireCount(warmup, "--warmup", from: 0, upTo: limit)
    let total = dialogues * (steps + warmup)
    guard total <= limit else {
      throw ValidationError(
        "--dialogues times the steps, --warmup included, makes \(total) dialogues in memory; "
          + "\(limit) is the most.")
    }
  }

  func run() throws { try Commands.bench(request) }
}

/// `doctor`: what is wrong with this machine or this launch.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Checks MPI, BLAS, threads, binding, memory and the file system.",
    discussion: """
      For everything that is wrong or slow it tells the cure. Run it the way you run training.

      Examples:
        dferc-dist doctor
        mpirun -np 8 --hostfile hosts dferc-dist doctor
      """)

  @Flag(help: "Prints JSON instead of text.")
  var json = false

  @OptionGroup var threading: ThreadArguments

  var request: DoctorRequest { DoctorRequest(printsJSON: json, threads: threading.threads) }

  func run() throws { try Commands.doctor(request) }
}
