import Files
import TensorCore
import TestSupport
import Testing

/// Runs with libraries that compute other last bits.
@Suite("Commands: other libraries")
struct LibraryTests {
  private let small: SmallRun
  /// A BLAS kernel other than that of this machine.
  private let other = BLASLibrary.kernelName == "Nehalem" ? "Prescott" : "Nehalem"

  init() throws { small = try SmallRun() }

  @Test("Ranks with different BLAS kernels are refused with fixed micro-batches")
  func kernels() throws {
    try FileSystem.write(
      """
      #!/bin/sh
      [ "$OMPI_COMM_WORLD_RANK" = 1 ] && export OPENBLAS_CORETYPE=\(other)
      exec "$@"
      """, to: small.folder.path("differ.sh"))
    for (microBatches, status) in [("2", 76), ("null", 0)] as [(String, Int32)] {
      let run = try Program(
        [
          "train", "--config", small.configuration, "--data", small.data, "--output",
          small.folder.path("run\(microBatches)"), "--set", "train.microBatches=\(microBatches)",
          "--set", "train.maxSteps=2",
        ], ranks: 2, wrapper: ["sh", small.folder.path("differ.sh")])
      #expect(run.status == status, "\(run.errors)")
      let difference =
        "rank 1 has another BLAS kernel than rank 0: \(other) instead of \(BLASLibrary.kernelName). "
      #expect(run.errors.contains(difference) == (status == 76), "\(run.errors)")
    }
  }

  @Test("A resume with another kernel or, without fixed micro-batches, rank count gives a warning")
  func resumed() throws {
    let first = try small.train("run", ["--set", "train.maxSteps=2"])
    try #require(first.status == 0 && !first.errors.contains("bits"), "\(first.errors)")
    let second = try small.train(
      "run", ["--resume", "auto", "--set", "train.maxSteps=4"], ranks: 2,
      environment: ["OPENBLAS_CORETYPE": other])
    try #require(second.status == 0, "\(second.errors)")
    #expect(second.errors.contains("with the BLAS kernel \(BLASLibrary.kernelName), this run has"))
    #expect(second.errors.contains("with the number of ranks 1, this run has 2: from here on"))
  }

  @Test("Fixed micro-batches on a rank count that is no power of two give a warning")
  func unevenRanks() throws {
    let uneven = try small.train(
      "run", ["--set", "train.maxSteps=2", "--set", "train.microBatches=2"], ranks: 3)
    #expect(uneven.status == 0, "\(uneven.errors)")
    #expect(uneven.errors.components(separatedBy: "3 ranks are no power of two").count == 2)
    // Later rank counts do not remove the warning.
    for (ranks, steps) in [(2, 4), (1, 6)] {
      let fixed = ["--set", "train.maxSteps=\(steps)", "--set", "train.microBatches=2"]
      let even = try small.train("run", fixed + ["--resume", "auto"], ranks: ranks)
      #expect(even.status == 0, "\(even.errors)")
      #expect(even.errors.contains("were trained on 3 ranks, no power of two"))
    }
  }
}
