import Autograd
import NeuralNet
import TensorCore
import TestSupport
import Testing

/// A layer whose gradients are checked: by its input and by every parameter.
private final class LayerGradient {
  private let make: TensorFactory
  private let layer: (Variable, Pass) -> Variable
  private let parameters: Parameters
  private let gradients: FloatBuffer
  private let groups: RowGroups
  private let input: Tensor
  private let arena = StepArena()

  /// Declares a layer and gives its parameters random values, those that start at zero too.
  ///
  /// - Parameters:
  ///   - make: makes and keeps all tensors.
  ///   - lengths: of the groups.
  ///   - inputs: the width of the input.
  ///   - declare: declares the layer and returns what applies it.
  init(
    _ make: TensorFactory, lengths: [Int], inputs: Int,
    declare: (inout ParameterLayout) -> ((Variable, Pass) -> Variable)
  ) {
    var layout = ParameterLayout()
    layer = declare(&layout)
    parameters = Parameters(layout: layout)
    gradients = FloatBuffer(count: layout.count)
    groups = make.groups(lengths)
    input = make.random(rows: groups.rowCount, columns: inputs)
    self.make = make
    for parameter in layout.parameters {
      _ = parameters.tensor(of: parameter).elements.update(
        from: make.values(parameter.count, scale: 0.7))
    }
  }

  /// The gradient of every parameter by its name.
  func parameterGradients() -> [String: [Float]] {
    _ = evaluate([input] + values, differentiates: true)
    return Dictionary(
      uniqueKeysWithValues: parameters.layout.parameters.map {
        ($0.name, Array(gradients.elements[$0.range]))
      })
  }

  func expectRight(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) {
    GradientCheck(evaluating: [input] + values) { self.evaluate($0, differentiates: $1) }
      .expectRight(
        name, inputNames: ["the input"] + parameters.layout.parameters.map(\.name),
        sourceLocation: sourceLocation)
  }

  private var values: [Tensor] {
    parameters.layout.parameters.map { make.copy(parameters.tensor(of: $0)) }
  }

  private func evaluate(
    _ tensors: [Tensor], differentiates: Bool
  ) -> (loss: Double, gradients: [[Float]?]) {
    for (parameter, tensor) in zip(parameters.layout.parameters, tensors.dropFirst()) {
      parameters.tensor(of: parameter).copy(from: tensor)
    }
    let tape = Tape(arena: arena)
    tape.reset(recording: differentiates)
    gradients.elements.update(repeating: .nan)
    parameters.beginGradients(in: gradients.pointer)
    let x = Variable(
      tensors[0], slot: differentiates ? arena.store(GradientSlot()) : nil,
      space: tape.makeRowSpace(groups: groups))
    let pass = Pass(tape: tape, parameters: parameters, randomness: nil)
    let loss = tape.randomLoss(layer(x, pass))
    guard differentiates else { return (loss, []) }
    tape.backward()
    parameters.finishGradients()
    let parameterGradients = parameters.layout.parameters.map {
      Array(gradients.elements[$0.range])
    }
    return (loss, [x.gradient?.values] + parameterGradients)
  }
}

/// Gradient checks of whole layers, by their input and by every parameter.
@Suite("Gradients of layers")
struct LayerGradientTests {
  let make = TensorFactory(seed: 43)

  @Test("Linear", arguments: [(1, 1, 1), (5, 9, 3)])
  func linear(rows: Int, inputs: Int, outputs: Int) {
    LayerGradient(make, lengths: [rows], inputs: inputs) { layout in
      let layer = Linear("layer", inputs: inputs, outputs: outputs, in: &layout)
      return { layer($0, $1) }
    }.expectRight("Linear")
  }

  @Test("Linear without a bias declares a weight alone")
  func linearWithoutBias() {
    let gradient = LayerGradient(make, lengths: [5], inputs: 9) { layout in
      let layer = Linear("layer", inputs: 9, outputs: 3, hasBias: false, in: &layout)
      return { x, pass in pass.tape.mean(pass.tape.list([layer(x, pass), layer.keys(x, pass)])) }
    }
    gradient.expectRight("Linear without a bias")
    #expect(Array(gradient.parameterGradients().keys) == ["layer.weight"])
  }

  @Test("Linear that makes keys: no softmax over them knows their bias, so its gradient is zero")
  func keys() {
    let gradient = LayerGradient(make, lengths: [3, 1, 4], inputs: 6) { layout in
      let layer = Linear("layer", inputs: 6, outputs: 6, in: &layout)
      return { x, pass in
        let keys = layer.keys(x, pass)
        return pass.tape.attention(query: x, key: keys, value: x)
      }
    }
    gradient.expectRight("keys")
    let gradients = gradient.parameterGradients()
    #expect(gradients["layer.bias"] == [Float](repeating: 0, count: 6))
    #expect(gradients["layer.weight"]?.contains(0) == false)
  }

  @Test("LayerNorm", arguments: [2, 9, 19])
  func layerNorm(width: Int) {
    LayerGradient(make, lengths: [6], inputs: width) { layout in
      // A large epsilon keeps the curvature of rows with little variance within the steps.
      let layer = LayerNorm("layer", width: width, epsilon: 0.1, in: &layout)
      return { layer($0, $1) }
    }.expectRight("LayerNorm of width \(width)")
  }

  @Test(
    "LSTM and GRU, one direction and both", arguments: [[1], [6], [2, 5, 1, 3]], [false, true])
  func recurrences(lengths: [Int], isBidirectional: Bool) {
    LayerGradient(make, lengths: lengths, inputs: 4) { layout in
      let layer = LSTM(
        "layer", inputs: 4, hidden: 3, isBidirectional: isBidirectional, in: &layout)
      return { layer($0, $1) }
    }.expectRight("LSTM over \(lengths)")
    LayerGradient(make, lengths: lengths, inputs: 4) { layout in
      let layer = GRU(
        "layer", inputs: 4, hidden: 3, isBidirectional: isBidirectional, in: &layout)
      return { layer($0, $1) }
    }.expectRight("GRU over \(lengths)")
  }

  @Test("self-attention", arguments: [[1], [5], [3, 1, 4]], [1, 2])
  func attention(lengths: [Int], headCount: Int) {
    let gradient = LayerGradient(make, lengths: lengths, inputs: 5) { layout in
      let layer = SelfAttention("layer", inputs: 5, outputs: 6, headCount: headCount, in: &layout)
      return { layer($0, $1) }
    }
    gradient.expectRight("self-attention over \(lengths)")
    #expect(gradient.parameterGradients()["layer.key.bias"] == [Float](repeating: 0, count: 6))
  }
}
