import Configuration
import DialogueData
import NeuralNet
import Testing

@testable import Training

@Suite("What the last bits depend on")
struct ReproducibilityTests {
  private let before = [
    "program_version": "1.0.0", "program_build": "0123456789abcdef", "blas_kernel": "Haswell",
    "blas_version": "OpenBLAS 0.3.21", "c_library": "glibc 2.36", "ranks": "4",
  ]

  private func changes(_ changed: [String: String], microBatches: Int?) -> [String] {
    Reproducibility.changes(
      from: before, to: before.merging(changed) { $1 }, microBatches: microBatches)
  }

  @Test(
    "A change of a library, or of a rank count that sets the micro-batches, is reported")
  func reported() {
    #expect(changes([:], microBatches: nil).isEmpty)
    for key in before.keys {
      let reasons = changes([key: "other"], microBatches: nil)
      #expect(reasons.count == 1, "\(key)")
      #expect(reasons.first?.contains("\(before[key] ?? ""), this run has other: ") == true)
    }
    #expect(changes(["ranks": "2"], microBatches: 8).isEmpty)
    #expect(changes(["ranks": "2", "c_library": "musl"], microBatches: 8).count == 1)
  }

  @Test("Uneven ranks are recorded in all later checkpoints")
  func earlierUnevenRanks() throws {
    var fixed = RunConfiguration()
    fixed.train.microBatches = 8
    let dataset = Dataset(SyntheticCorpus(seed: 1))
    let model = fixed.model.options.makeModel([ModalityWidth(.text, width: 2)], classCount: 7)
    func metadata(_ ranks: Int, after before: [String: String]) throws -> [String: String] {
      try RunDescription.metadata(
        fixed, model: model, dataset: dataset, digest: "", ranks: ranks, resumingFrom: before)
    }
    let even = try metadata(4, after: [:])
    #expect(even["uneven_ranks"] == nil && even["ranks"] == nil)
    let uneven = try metadata(3, after: even)
    let later = try metadata(2, after: uneven)
    #expect(uneven["uneven_ranks"] == "3" && later["uneven_ranks"] == "3")
    #expect(try metadata(6, after: later)["uneven_ranks"] == "3")
    #expect(Reproducibility.changes(from: even, to: later, microBatches: 8).isEmpty)
    #expect(Reproducibility.changes(from: later, to: later, microBatches: 8).count == 1)
  }

  @Test("A checkpoint without a rank count gives no reason")
  func withoutRankCount() {
    var older = before
    older["ranks"] = nil
    #expect(Reproducibility.changes(from: older, to: before, microBatches: nil).isEmpty)
  }

  @Test("With fixed micro-batches, rank counts that do not hold whole subtrees give a warning")
  func uneven() {
    for ranks in [1, 2, 4, 8, 16] {
      #expect(Reproducibility.unevenRanks(microBatches: 8, ranks: ranks) == nil)
    }
    for ranks in [3, 5, 6, 12] {
      let notice = Reproducibility.unevenRanks(microBatches: 8, ranks: ranks)
      #expect(notice?.contains("\(ranks) ranks") == true)
      #expect(Reproducibility.unevenRanks(microBatches: nil, ranks: ranks) == nil)
    }
  }
}
