import Autograd
import NeuralNet
import TensorCore
import TestSupport
import Testing

@Suite("Parameters")
struct ParameterTests {
  let make = TensorFactory(seed: 41)

  /// A layout of a few layers whose sizes are no multiples of a cache line.
  private func layout() -> ParameterLayout {
    var layout = ParameterLayout()
    _ = Linear("first", inputs: 7, outputs: 3, in: &layout)
    _ = LayerNorm("norm", width: 5, in: &layout)
    _ = LSTM("lstm", inputs: 4, hidden: 3, isBidirectional: true, in: &layout)
    _ = SelfAttention("attention", inputs: 5, outputs: 4, in: &layout)
    _ = GRU("gru", inputs: 4, hidden: 3, isBidirectional: false, in: &layout)
    return layout
  }

  @Test("layers declare PyTorch's names and shapes")
  func names() {
    let parameters = layout().parameters
    let shapes = parameters.map { "\($0.name) \($0.shape)" }
    #expect(
      shapes == [
        "first.weight [3, 7]", "first.bias [3]", "norm.weight [5]", "norm.bias [5]",
        "lstm.weight_ih_l0 [12, 4]", "lstm.weight_hh_l0 [12, 3]", "lstm.bias_ih_l0 [12]",
        "lstm.bias_hh_l0 [12]", "lstm.weight_ih_l0_reverse [12, 4]",
        "lstm.weight_hh_l0_reverse [12, 3]", "lstm.bias_ih_l0_reverse [12]",
        "lstm.bias_hh_l0_reverse [12]", "attention.query.weight [4, 5]",
        "attention.query.bias [4]", "attention.key.weight [4, 5]", "attention.key.bias [4]",
        "attention.value.weight [4, 5]", "attention.value.bias [4]",
        "gru.weight_ih_l0 [9, 4]", "gru.weight_hh_l0 [9, 3]", "gru.bias_ih_l0 [9]",
        "gru.bias_hh_l0 [9]",
      ])
    for parameter in parameters {
      #expect(parameter.isDecayed == (parameter.shape.count == 2), "\(parameter.name)")
      #expect(parameter.rows * parameter.columns == parameter.count)
      #expect(parameter.range.count == parameter.count)
    }
  }

  @Test("parameters begin at cache lines and do not overlap")
  func alignment() {
    let layout = layout()
    var end = 0
    for parameter in layout.parameters {
      #expect(parameter.offset % ParameterLayout.alignment == 0)
      #expect(parameter.offset >= end && parameter.offset - end < ParameterLayout.alignment)
      end = parameter.range.upperBound
    }
    #expect(ParameterLayout.alignment * 4 == FloatBuffer.alignment)
    #expect(layout.count % ParameterLayout.alignment == 0 && layout.count >= end)
    #expect(ParameterLayout().count == 0)
  }

  @Test("a name declared twice and a shape without elements are refused")
  func refusals() async {
    await #expect(processExitsWith: .failure) {
      var layout = ParameterLayout()
      _ = layout.declare("a", shape: [2], initializer: .constant(0), isDecayed: false)
      _ = layout.declare("a", shape: [3], initializer: .constant(0), isDecayed: false)
    }
    await #expect(processExitsWith: .failure) {
      var layout = ParameterLayout()
      _ = layout.declare("a", shape: [2, 0], initializer: .constant(0), isDecayed: false)
    }
    await #expect(processExitsWith: .success) {
      var layout = ParameterLayout()
      _ = layout.declare("a", shape: [2, 1], initializer: .constant(0), isDecayed: false)
      _ = layout.declare("b", shape: [2, 1], initializer: .constant(0), isDecayed: false)
    }
  }

  private func initialValues(_ layout: ParameterLayout, seed: UInt64) -> [String: [Float]] {
    let parameters = Parameters(layout: layout)
    parameters.initialize(seed: seed)
    return withExtendedLifetime(parameters) {
      layout.parameters.reduce(into: [:]) { $0[$1.name] = parameters.tensor(of: $1).values }
    }
  }

  @Test("initial values depend on the seed and the name alone")
  func initialValues() {
    let values = initialValues(layout(), seed: 5)
    var reordered = ParameterLayout()
    _ = LSTM("lstm", inputs: 4, hidden: 3, isBidirectional: true, in: &reordered)
    _ = Linear("first", inputs: 7, outputs: 3, in: &reordered)
    for (name, same) in initialValues(reordered, seed: 5) {
      expectSameBits(same, values[name] ?? [], name)
    }
    let others = initialValues(layout(), seed: 6)
    for name in ["first.weight", "lstm.bias_hh_l0", "attention.value.weight"] {
      #expect(others[name] != values[name], "\(name) with another seed")
    }
    #expect(values["attention.query.weight"] != values["attention.key.weight"])
    #expect(values["lstm.weight_hh_l0"] != values["lstm.weight_hh_l0_reverse"])
  }

  @Test("initial values fill their bounds evenly")
  func bounds() {
    var layout = ParameterLayout()
    _ = Linear("linear", inputs: 64, outputs: 100, in: &layout)
    _ = LSTM("lstm", inputs: 30, hidden: 25, isBidirectional: true, in: &layout)
    _ = LayerNorm("norm", width: 9, in: &layout)
    let values = initialValues(layout, seed: 1)
    #expect(values["linear.bias"]?.allSatisfy { $0 == 0 } == true)
    #expect(values["norm.weight"]?.allSatisfy { $0 == 1 } == true)
    #expect(values["norm.bias"]?.allSatisfy { $0 == 0 } == true)
    for (name, values) in values where name != "linear.bias" && !name.hasPrefix("norm") {
      // 1 / sqrt(64), and 1 / sqrt(25) for all eight tensors of the LSTM.
      let bound: Float = name.hasPrefix("linear") ? 0.125 : 0.2
      #expect(values.allSatisfy { abs($0) <= bound }, "\(name)")
      #expect(values.contains { $0 > 0.9 * bound } && values.contains { $0 < -0.9 * bound })
      // The mean has a standard deviation of bound / sqrt(3 n); five of them are allowed.
      let mean = values.reduce(0, +) / Float(values.count)
      #expect(abs(mean) < 5 * bound / Float(3 * values.count).squareRoot(), "\(name)")
    }
  }

  @Test("parameters know their group")
  func groups() async {
    var layout = ParameterLayout()
    _ = Linear("head", inputs: 2, outputs: 2, in: &layout)
    let encoder = ParameterGroup("encoder", isTrainable: false)
    layout.declare(in: encoder) { layout in
      _ = LayerNorm("norm", width: 2, in: &layout)
      layout.declare(in: ParameterGroup("adapter")) {
        _ = Linear("adapter", inputs: 2, outputs: 2, hasBias: false, in: &$0)
      }
      _ = LayerNorm("last", width: 2, in: &layout)
    }
    _ = LayerNorm("tail", width: 2, in: &layout)
    #expect(
      layout.parameters.map(\.group.name) == [
        "model", "model", "encoder", "encoder", "adapter", "encoder", "encoder", "model", "model",
      ])
    #expect(layout.parameters.allSatisfy { $0.group.isTrainable == ($0.group.name != "encoder") })
    await #expect(processExitsWith: .failure) {
      var layout = ParameterLayout()
      layout.declare(in: ParameterGroup("a")) { _ = LayerNorm("norm", width: 2, in: &$0) }
      layout.declare(in: ParameterGroup("a", isTrainable: false)) { _ in }
    }
  }

  @Test("parameters that are not trained get gradients of zero and pass gradients on")
  func frozenGroup() {
    var layout = ParameterLayout()
    let first = Linear("first", inputs: 2, outputs: 3, in: &layout)
    let frozen = layout.declare(in: ParameterGroup("frozen", isTrainable: false)) {
      (Linear("frozen", inputs: 3, outputs: 3, in: &$0), LayerNorm("norm", width: 3, in: &$0))
    }
    let parameters = Parameters(layout: layout)
    parameters.initialize(seed: 1)
    let gradients = FloatBuffer(count: layout.count)
    gradients.elements.update(repeating: 7)
    let tape = Tape(arena: StepArena())
    tape.reset(recording: true)
    parameters.beginGradients(in: gradients.pointer)
    let pass = Pass(tape: tape, parameters: parameters, randomness: nil)
    let y = frozen.1(frozen.0(first(.constant(make.row([2, -3])), pass), pass), pass)
    _ = tape.projection(y, onto: make.row([1, 10, 100]))
    tape.backward()
    parameters.finishGradients()
    for parameter in layout.parameters {
      let isZero = gradients.elements[parameter.range].allSatisfy { $0 == 0 }
      #expect(isZero == !parameter.group.isTrainable, "\(parameter.name)")
    }
  }

  @Test("elements between parameters stay zero")
  func padding() {
    let layout = layout()
    let parameters = Parameters(layout: layout)
    parameters.initialize(seed: 3)
    let used = Set(layout.parameters.flatMap(\.range))
    withExtendedLifetime(parameters) {
      for index in 0..<layout.count where !used.contains(index) {
        #expect(parameters.values.pointer[index] == 0)
      }
    }
    #expect(used.count < layout.count)
  }

  @Test("gradients that nothing wrote are zero, the others keep their values")
  func unwrittenGradients() {
    var layout = ParameterLayout()
    let used = Linear("used", inputs: 2, outputs: 3, in: &layout)
    _ = Linear("unused", inputs: 3, outputs: 2, in: &layout)
    let parameters = Parameters(layout: layout)
    parameters.initialize(seed: 1)
    let gradients = FloatBuffer(count: layout.count)
    let tape = Tape(arena: StepArena())
    for _ in 0..<2 {
      gradients.elements.update(repeating: 7)
      tape.reset(recording: true)
      parameters.beginGradients(in: gradients.pointer)
      let pass = Pass(tape: tape, parameters: parameters, randomness: nil)
      let y = used(.constant(make.row([2, -3])), pass)
      _ = tape.projection(y, onto: make.row([1, 10, 100]))
      tape.backward()
      parameters.finishGradients()
      let tensors = layout.parameters.map { Array(gradients.elements[$0.range]) }
      #expect(tensors[0] == [2, -3, 20, -30, 200, -300])
      #expect(tensors[1] == [1, 10, 100])
      #expect(tensors[2] == [Float](repeating: 0, count: 6) && tensors[3] == [0, 0])
      let values = Set(layout.parameters.flatMap(\.range))
      #expect(
        gradients.elements.indices.allSatisfy { values.contains($0) || gradients.elements[$0] == 0 }
      )
    }
  }
}

@Suite("Layers")
struct LayerTests {
  let make = TensorFactory(seed: 42)

  @Test("a layer's dropout is that of its pass")
  func dropout() {
    let tape = Tape(arena: make.arena)
    let parameters = Parameters(layout: ParameterLayout())
    let groups = make.groups([4, 3], identifiers: [9, 5])
    let randomness = Dropout.Randomness(seed: 1, step: 2, probability: 0.5)
    let layer = Dropout(layer: "here")
    let space = tape.makeRowSpace(groups: groups)
    let x = Variable.constant(make.random(rows: 7, columns: 9), in: space)
    func pass(_ randomness: Dropout.Randomness?) -> Pass {
      Pass(tape: tape, parameters: parameters, randomness: randomness)
    }
    let mask = make.arena.zeros(rows: 7, columns: 9)
    layer.fill(mask, groups: groups, randomness: randomness, workers: .single)
    let dropped = pass(randomness).dropout(x, layer).value.values
    expectSameBits(dropped, zip(x.value.values, mask.values).map { $0 * $1 }, "dropped")
    expectSameBits(pass(nil).dropout(x, layer).value.values, x.value.values, "kept")
  }

  @Test("an embedding looks up rows of its parameter and adds up their gradients")
  func embedding() {
    var layout = ParameterLayout()
    let layer = Embedding("e", count: 5, width: 3, in: &layout)
    #expect(layout.parameters.map { "\($0.name) \($0.shape)" } == ["e.weight [5, 3]"])
    let parameters = Parameters(layout: layout)
    parameters.initialize(seed: 1)
    let gradients = FloatBuffer(count: layout.count)
    let tape = Tape(arena: make.arena)
    parameters.beginGradients(in: gradients.pointer)
    let ids = [2, 0, 2, 4]
    let y = layer(
      make.integers(ids), in: tape.makeRowSpace(segments: make.segments([1, 3])),
      Pass(tape: tape, parameters: parameters, randomness: nil))
    let table = parameters.tensor(of: layout.parameters[0])
    expectSameBits(y.value.values, ids.flatMap { table.rows($0..<$0 + 1).values }, "rows")
    _ = tape.projection(
      y, onto: make.tensor([1, 2, 3, 4, 5, 6, 10, 20, 30, 7, 8, 9], rows: 4, columns: 3))
    tape.backward()
    parameters.finishGradients()
    #expect(
      Array(gradients.elements[layout.parameters[0].range])
        == [4, 5, 6, 0, 0, 0, 11, 22, 33, 0, 0, 0, 7, 8, 9])
  }

  @Test(
    "an embedding begins with the standard deviation asked for", arguments: [1, 0.02] as [Float])
  func embeddingScale(deviation: Float) {
    var layout = ParameterLayout()
    _ = Embedding("e", count: 200, width: 50, standardDeviation: deviation, in: &layout)
    let parameters = Parameters(layout: layout)
    parameters.initialize(seed: 1)
    let values = parameters.tensor(of: layout.parameters[0]).values.map { Double($0 / deviation) }
    let mean = values.reduce(0, +) / 10_000
    let square = values.reduce(0) { $0 + $1 * $1 } / 10_000
    // Means of 10,000 values, whose squares have a standard deviation of 0.9; five deviations.
    #expect(abs(mean) < 5 * 0.01 && abs(square - 1) < 5 * 0.009)
  }

  @Test("a bias of the keys has no gradient and changes no attention")
  func keyBias() {
    var layout = ParameterLayout()
    let attention = SelfAttention("a", inputs: 5, outputs: 4, in: &layout)
    let parameters = Parameters(layout: layout)
    parameters.initialize(seed: 2)
    let gradients = FloatBuffer(count: layout.count)
    let x = make.random(rows: 6, columns: 5)
    func run(keyBias: Float) -> [Float] {
      for parameter in layout.parameters where parameter.name == "a.key.bias" {
        parameters.tensor(of: parameter).fill(keyBias)
      }
      let tape = Tape(arena: make.arena)
      parameters.beginGradients(in: gradients.pointer)
      let space = tape.makeRowSpace(groups: make.groups([2, 4]))
      let y = attention(
        .constant(x, in: space), Pass(tape: tape, parameters: parameters, randomness: nil))
      _ = tape.projection(y, onto: make.random(rows: 6, columns: 4))
      tape.backward()
      parameters.finishGradients()
      for parameter in layout.parameters {
        let isZero = gradients.elements[parameter.range].allSatisfy { $0 == 0 }
        #expect(isZero == (parameter.name == "a.key.bias"), "\(parameter.name)")
      }
      return y.value.values
    }
    // Logits of size 1 are rounded after a number of size 1 has been added to them.
    expectClose(run(keyBias: 1), run(keyBias: 0), tolerance: 1e-5, "attention")
  }
}
