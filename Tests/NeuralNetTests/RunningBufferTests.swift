import TensorCore
import Testing

@testable import NeuralNet

@Suite("Running buffers")
struct RunningBufferTests {
  private var layout = RunningBufferLayout()
  private let sums: RunningBufferID<Double>
  private let counts: RunningBufferID<Int64>
  private let mean: RunningBufferLayout.Mean
  private let buffers: RunningBuffers

  init() {
    sums = layout.declare("sums", shape: [2, 3], of: Double.self)
    counts = layout.declare("counts", shape: [2], of: Int64.self)
    mean = layout.declareMean("means", of: sums, over: counts)
    buffers = RunningBuffers(layout: layout)
  }

  private func stage() {
    for index in 0..<6 { buffers.staged(sums)[index] = Double(index + 1) }
    buffers.staged(counts)[1] = 4
  }

  @Test("What is staged is no value before it is committed")
  func commit() {
    stage()
    #expect(buffers[sums].allSatisfy { $0 == 0 } && buffers[counts].allSatisfy { $0 == 0 })
    buffers.commit()
    #expect(Array(buffers[sums]) == [1, 2, 3, 4, 5, 6])
    #expect(Array(buffers[counts]) == [0, 4])
  }

  @Test("What is discarded leaves no trace")
  func discard() {
    stage()
    buffers.commit()
    for index in 0..<6 { buffers.staged(sums)[index] = .nan }
    buffers.discard()
    #expect(Array(buffers.staged(sums)) == [1, 2, 3, 4, 5, 6])
    buffers.reset()
    #expect(buffers[sums].allSatisfy { $0 == 0 } && buffers.staged(counts)[1] == 0)
  }

  @Test("A mean is the quotient of sums and counts, and 0 where nothing was counted")
  func means() {
    let arena = StepArena()
    stage()
    #expect(Array(buffers.staged(mean, arena: arena).elements) == [0, 0, 0, 1, 1.25, 1.5])
    #expect(buffers.values(of: mean) == [0, 0, 0, 0, 0, 0])
    buffers.commit()
    #expect(buffers.values(of: mean) == [0, 0, 0, 1, 1.25, 1.5])
  }
}
