import AllocationCounter
import Baselines
import Configuration
import DFERCModel
import DialogueData
import JobControl
import TensorCore
import Testing

@testable import Training

/// Checks that a training step allocates from the arena and not from the heap.
///
/// The test executable counts the calls of `malloc` and related functions on this thread, so memory
/// that is freed within the step is counted as well.
@Suite("Heap allocations of the training step")
struct AllocationTests {
  private static let lengths = [1, 5, 3, 11, 4]

  @Test("the counter includes memory that is freed at once")
  func counterCounts() {
    let before = allocationCountOfThread()
    var sum: Float = 0
    for size in 1...3 { sum += withExtendedLifetime(FloatBuffer(count: size)) { $0.elements[0] } }
    #expect(allocationCountOfThread() >= before + 3)
    #expect(sum == 0)
  }

  @Test("none in the steady state of DF-ERC", arguments: DFERCOptions.everyAblation, [1, 4])
  func dferc(ablations: [Ablation], microBatches: Int) throws {
    try expectNone(DFERCOptions.small(ablations), microBatches: microBatches)
  }

  @Test("none in the steady state of bc-LSTM", arguments: [1, 4])
  func bcLSTM(microBatches: Int) throws {
    try expectNone(BCLSTMOptions.small, microBatches: microBatches)
  }

  private func expectNone(_ options: any ModelOptions, microBatches: Int) throws {
    let small = SmallBatch(options, lengths: Self.lengths, classCount: 5)
    let step = try TrainingStep(
      engine: small.engine(TrainingRig.soloTeam()), configuration: small.configuration,
      workers: .single)
    let batch = small.batch(microBatches: microBatches)
    func run(_ numbers: Range<Int>) throws -> Double {
      var loss = 0.0
      for number in numbers {
        loss = try step.run(batch, of: small.split, step: number, rateFactor: 1).loss
      }
      return loss
    }
    _ = try run(0..<3)
    let blocks = step.engine.loader.tape.arena.heapAllocationCount
    let before = allocationCountOfThread()
    let loss = try run(3..<8)
    #expect(allocationCountOfThread() == before)
    #expect(step.engine.loader.tape.arena.heapAllocationCount == blocks)
    #expect(loss.isFinite && loss > 0)
  }

  @Test("none in the steady state of an evaluation")
  func evaluationAllocatesNothing() throws {
    let small = SmallBatch(DFERCOptions.small(), lengths: Self.lengths, classCount: 5)
    let team = TrainingRig.soloTeam()
    let engine = try small.engine(team)
    let evaluator = Evaluator(
      model: engine.model, parameters: engine.parameters, buffers: engine.buffers,
      collective: team.collective, workers: .single, heartbeat: team.world.heartbeat)
    var rows = 0
    func evaluate() throws {
      try evaluator.forEachOwnGroup([0..<2, 2..<5], of: small.split) { _, probabilities, _ in
        rows += probabilities.rows
      }
    }
    for _ in 0..<3 { try evaluate() }
    let before = allocationCountOfThread()
    for _ in 0..<5 { try evaluate() }
    // Each call allocates the list of groups.
    #expect(allocationCountOfThread() <= before + 5)
    #expect(rows == 8 * Self.lengths.reduce(0, +))
  }
}
