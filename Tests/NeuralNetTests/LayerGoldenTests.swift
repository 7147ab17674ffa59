import Autograd
import NeuralNet
import TensorCore
import TestSupport
import Testing

/// Layers against PyTorch's modules: values and all gradients.
@Suite("Layers against PyTorch")
struct LayerGoldenTests {
  @Test("Linear")
  func linear() throws {
    let golden = try LayerGolden("linear")
    #expect(golden.parameterNames == ["weight", "bias"])
    try golden.check { layout in
      let layer = Linear("layer", inputs: 13, outputs: 9, in: &layout)
      return { layer($0, $1) }
    }
  }

  @Test("LayerNorm, a row without variance too")
  func layerNorm() throws {
    let golden = try LayerGolden("layer-norm")
    #expect(golden.parameterNames == ["weight", "bias"])
    try golden.check { layout in
      let layer = LayerNorm("layer", width: 19, epsilon: 1e-5, in: &layout)
      return { layer($0, $1) }
    }
  }

  @Test("bidirectional LSTM", arguments: [("lstm", 7, 5), ("lstm-wide", 9, 16)])
  func lstm(name: String, inputs: Int, hidden: Int) throws {
    let golden = try LayerGolden(name)
    #expect(golden.parameterNames.count == 8)
    try golden.check { layout in
      let layer = LSTM("layer", inputs: inputs, hidden: hidden, isBidirectional: true, in: &layout)
      return { layer($0, $1) }
    }
  }

  @Test("GRU, one direction and both", arguments: [("gru", false), ("gru-bidirectional", true)])
  func gru(name: String, isBidirectional: Bool) throws {
    let golden = try LayerGolden(name)
    #expect(golden.parameterNames.count == (isBidirectional ? 8 : 4))
    try golden.check { layout in
      let layer = GRU(
        "layer", inputs: 7, hidden: 9, isBidirectional: isBidirectional, in: &layout)
      return { layer($0, $1) }
    }
  }

  @Test("self-attention")
  func attention() throws {
    let golden = try LayerGolden("attention")
    #expect(golden.parameterNames.count == 6)
    // The keys' bias has gradient zero in mathematics; the file holds the noise of float64.
    try golden.check(gradientFloor: 1e-6) { layout in
      let layer = SelfAttention("layer", inputs: 11, outputs: 10, in: &layout)
      return { layer($0, $1) }
    }
  }

  @Test("GELU")
  func gelu() throws {
    try LayerGolden("gelu").check { _ in { x, pass in pass.tape.gelu(x) } }
  }

  @Test("cross-entropy, logits far apart too")
  func crossEntropy() throws {
    let golden = try LayerGolden("cross-entropy")
    let losses = try golden.file.doubles("expected.output")
    let labels = try golden.integers("labels")
    let arena = StepArena()
    let tape = Tape(arena: arena)
    tape.reset(recording: true)
    let logits = Variable(try golden.tensor("input"), slot: arena.store(GradientSlot()))
    // The golden gradient is that of the mean.
    let weight = 1 / Float(labels.count)
    let (sums, _) = tape.crossEntropy(logits, labels: labels, weight: weight)
    tape.backward()
    // The file's losses were rounded to Float32.
    expectClose([sums.total], [losses.reduce(0, +)], tolerance: 1e-6, "sum of losses")
    for row in losses.indices {
      let rows = logits.value.rows(row..<row + 1)
      let (loss, _) = tape.crossEntropy(
        .constant(rows), labels: UnsafeBufferPointer(rebasing: labels[row..<row + 1]), weight: 0)
      expectClose([loss.total], [losses[row]], tolerance: 1e-6, floor: 1e-3, "loss of row \(row)")
    }
    expectClose(
      logits.gradient?.values ?? [], try golden.file.floats("expected.gradient.input"),
      tolerance: LayerGolden.tolerance, "gradient")
  }
}
