import RunRecords
import StallDetection

/// The measurements of `bench` on rank 0.
struct BenchFigures: Encodable {
  /// The spread of a figure over the measured steps.
  struct Spread: Encodable {
    let minimum: Double
    let median: Double
    let maximum: Double

    init(of values: [Double]) {
      let sorted = values.sorted()
      minimum = sorted.first ?? 0
      let middle = sorted.count / 2
      median =
        sorted.isEmpty
        ? 0 : sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
      maximum = sorted.last ?? 0
    }
  }

  /// Utterances per second, over all ranks.
  let utterancesPerSecond: Double
  /// Milliseconds of a whole step.
  let stepMilliseconds: Spread
  var ranks = 1
  var threads = 1
  var dialogues = 0
  /// The mean number of utterances in a global batch.
  var utterancesPerBatch = 0.0
  /// Milliseconds of a step by phase, on rank 0.
  var phases: [String: Double] = [:]
  /// Floating-point operations of forward and backward pass for one utterance.
  var operationsPerUtterance = 0.0
  /// Floating-point operations per second of forward and backward pass, on rank 0.
  var modelFlops = 0.0
  /// Floating-point operations per second of a large matrix product, on rank 0.
  var peakFlops = 0.0
  /// The time to sum gradients over all ranks; nil on one rank.
  var sums: SumFigures?
  /// Milliseconds of a step for each of ``MicroBatchBenchmark/counts``; nil on several ranks.
  var microBatchTimes: [Double]?
  /// Milliseconds for which a save blocks training on rank 0.
  var saveStall = 0.0
  /// Seconds that a save takes in the background.
  var saveDuration = 0.0
  var peakMemoryMegabytes = 0.0
  var blasKernel = ""

  enum CodingKeys: String, CodingKey {
    case ranks, threads, dialogues
    case utterancesPerSecond = "utterances_per_second"
    case stepMilliseconds = "step_ms"
    case utterancesPerBatch = "batch_size"
    case phases = "phase_ms"
    case operationsPerUtterance = "model_flop_each"
    case modelFlops = "model_flop_rate"
    case peakFlops = "sgemm_flop_rate"
    case sums = "sum_ms"
    case microBatchTimes = "micro_batches_ms"
    case saveStall = "save_stall_ms"
    case saveDuration = "save_background_s"
    case peakMemoryMegabytes = "peak_memory_mb"
    case blasKernel = "blas_kernel"
  }

  /// The fraction of ``peakFlops`` that forward and backward pass reach.
  var shareOfPeak: Double { modelFlops / peakFlops }

  /// The figures as aligned text.
  var table: String {
    var table = TextTable(header: ["phase (rank 0)", "ms a step", "share"])
    for phase in RunPhase.ofStep {
      let time = phases[phase.name] ?? 0
      table.add([
        phase.name, String(fixed: time, digits: 2),
        String(fixed: 100 * time / phases.values.reduce(0, +), digits: 1) + " %",
      ])
    }
    let step = stepMilliseconds
    var lines = [
      "\(String(fixed: utterancesPerSecond, digits: 0)) utterances/s on \(ranks) "
        + "\(ranks == 1 ? "rank" : "ranks") x \(threads) \(threads == 1 ? "thread" : "threads")",
      "\(dialogues) dialogues, \(String(fixed: utterancesPerBatch, digits: 1)) utterances a step; "
        + "\(String(fixed: step.median, digits: 1)) ms a step "
        + "(\(String(fixed: step.minimum, digits: 1)) to "
        + "\(String(fixed: step.maximum, digits: 1)))",
      "forward and backward \(String(fixed: modelFlops / 1e9, digits: 1)) GFLOP/s, "
        + "\(String(fixed: 100 * shareOfPeak, digits: 0)) % of sgemm's "
        + "\(String(fixed: peakFlops / 1e9, digits: 1)) (\(blasKernel))",
    ]
    if let sums { lines.append(sums.line) }
    if let microBatchTimes {
      let times = zip(MicroBatchBenchmark.counts, microBatchTimes).map { count, time in
        "\(count): \(String(fixed: time, digits: 1)) ms"
      }
      lines.append("a step in fixed micro-batches \(times.joined(separator: ", "))")
    }
    lines.append(
      "a save holds up training for \(String(fixed: saveStall, digits: 1)) ms "
        + "and takes \(String(fixed: saveDuration, digits: 2)) s in the background")
    lines.append("peak memory \(String(fixed: peakMemoryMegabytes, digits: 0)) MB a rank")
    return lines.joined(separator: "\n") + "\n\n" + table.text
  }
}

/// The time to sum a buffer of gradients over all ranks, in milliseconds.
struct SumFigures: Encodable {
  /// The size of the buffer in bytes.
  let bytes: Double
  /// In the fixed tree, through the shared memory of a node.
  let shared: Double
  /// In the fixed tree, by messages, as between nodes.
  let messages: Double
  /// By `MPI_Allreduce`, in the order of the MPI library.
  let library: Double

  /// The figures in a line of text.
  var line: String {
    func text(_ value: Double) -> String { String(fixed: value, digits: 1) }
    func ratio(_ value: Double) -> String { String(fixed: value / library, digits: 2) }
    return "sum of \(text(bytes / 1e6)) MB over ranks: \(text(shared)) ms in shared memory, "
      + "\(text(messages)) ms by messages, \(text(library)) ms by MPI_Allreduce "
      + "(\(ratio(shared)) and \(ratio(messages)) times its time)"
  }
}
