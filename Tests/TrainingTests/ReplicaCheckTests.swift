import NeuralNet
import TensorCore
import Testing

@testable import Training

@Suite("Replica check")
struct ReplicaCheckTests {
  private static let names = ["input.weight", "classifier.bias", "counts"]

  private func difference(_ ranks: [[UInt64]]) -> ReplicaCheck.Difference? {
    ReplicaCheck.difference(ranks, names: Self.names)
  }

  @Test("Equal digests have no difference")
  func equal() {
    #expect(difference([[1, 2, 3], [1, 2, 3], [1, 2, 3]]) == nil)
    #expect(difference([[1, 2, 3]]) == nil)
  }

  @Test("A single deviating rank is named, with the first tensor that differs")
  func one() {
    #expect(
      difference([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 9, 8]])?.description
        == "rank 3 holds other bits of classifier.bias than the other ranks")
    #expect(
      difference([[7, 2, 3], [1, 2, 3], [1, 2, 3]])?.description
        == "rank 0 holds other bits of input.weight than the other ranks")
  }

  @Test("All ranks outside the majority are named, whether they agree or not")
  func several() {
    #expect(
      difference([[1, 2, 3], [1, 5, 3], [1, 2, 3], [1, 2, 3], [1, 5, 3]])?.description
        == "ranks 1, 4 hold other bits of classifier.bias than the other ranks")
    let scattered: [[UInt64]] = [[1, 2, 1], [1, 2, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    #expect(difference(scattered)?.minority == [0, 1])
  }

  @Test("Without a majority, no rank is named")
  func noMajority() {
    #expect(
      difference([[1, 2, 3], [1, 2, 4]])?.description
        == "rank 0 and rank 1 hold different bits of counts, and nothing tells which are right")
    #expect(
      difference([[1, 2, 3], [1, 2, 3], [1, 2, 4], [1, 2, 4]])?.description
        == "the ranks hold different bits of counts, and nothing tells which are right")
  }

  @Test("A changed bit of any replicated tensor is found, and the tensor is named")
  func everyTensor() throws {
    let rig = try TrainingRig()
    let changes: [(String, @Sendable (Trainer) -> Void)] = [
      ("classifier.bias", { $0.state.change($0.state.parameters.values, "classifier.bias") }),
      (
        "optimizer.exp_avg.input.text.weight",
        { $0.state.change($0.state.optimizer?.firstMoment, "input.text.weight") }
      ),
      (
        "optimizer.exp_avg_sq.classifier.weight",
        { $0.state.change($0.state.optimizer?.secondMoment, "classifier.weight") }
      ),
      (
        "prototype_sums",
        { trainer in
          trainer.state.buffers.change("prototype_sums")
        }
      ),
      (
        "counts",
        { trainer in
          trainer.state.buffers.change("counts")
        }
      ),
    ]
    for (index, (tensor, change)) in changes.enumerated() {
      let message = try rig.message("run\(index)", ranks: 3) { trainer in
        try trainer.step()
        if trainer.team.rank == 2 { change(trainer) }
        try trainer.compareReplicas(isDue: true)
      }
      #expect(
        message.hasPrefix("step 1: rank 2 holds other bits of \(tensor) than the other ranks. "),
        "\(tensor): \(message)")
    }
  }
}

extension RunningBuffers {
  /// Changes the last bit of the first element of a buffer.
  fileprivate func change(_ name: String) {
    guard let buffer = layout.buffers.first(where: { $0.name == name }) else { return }
    bytes(of: buffer)[0] ^= 1
  }
}

extension ModelState {
  /// Changes the last bit of the first element of a parameter, in one of the flat buffers.
  fileprivate func change(_ buffer: FloatBuffer?, _ name: String) {
    guard let elements = buffer?.elements,
      let parameter = model.layout.parameters.first(where: { $0.name == name })
    else { return }
    let index = parameter.range.lowerBound
    elements[index] = Float(bitPattern: elements[index].bitPattern ^ 1)
  }
}
