import Autograd
import TensorCore
import TestSupport
import Testing

/// Gradient checks of the operations whose result is a tensor.
@Suite("Gradients of operations")
struct OperationTests {
  let make = TensorFactory(seed: 32)

  @Test("linear", arguments: [(1, 1, 1), (4, 9, 3), (7, 3, 17)])
  func linear(rows: Int, inputs: Int, outputs: Int) {
    let tensors = [
      make.random(rows: rows, columns: inputs), make.random(rows: outputs, columns: inputs),
      make.random(rows: 1, columns: outputs),
    ]
    GradientCheck(tensors) { tape, v in
      tape.randomLoss(tape.linear(v[0], weight: v[1], bias: v[2]))
    }.expectRight("linear")
  }

  @Test("tanh, sigmoid and GELU", arguments: [0.1, 1, 4] as [Float])
  func activations(scale: Float) {
    let x = make.random(rows: 5, columns: 9, scale: scale)
    GradientCheck([x]) { $0.randomLoss($0.tanh($1[0])) }.expectRight("tanh")
    GradientCheck([x]) { $0.randomLoss($0.sigmoid($1[0])) }.expectRight("sigmoid")
    GradientCheck([x]) { $0.randomLoss($0.gelu($1[0])) }.expectRight("GELU")
  }

  @Test("ReLU away from its corner")
  func relu() {
    // The steps of the check must not cross zero.
    let values = make.values(45).map { $0 < 0 ? $0 - 0.1 : $0 + 0.1 }
    GradientCheck([make.tensor(values, rows: 5, columns: 9)]) { $0.randomLoss($0.relu($1[0])) }
      .expectRight("ReLU")
  }

  @Test("softmax of rows", arguments: [1, 3, 9])
  func softmax(width: Int) {
    GradientCheck([make.random(rows: 4, columns: width)]) { $0.randomLoss($0.softmax($1[0])) }
      .expectRight("softmax")
  }

  @Test("product of two variables, and of one with itself")
  func product() {
    let tensors = (0..<2).map { _ in make.random(rows: 4, columns: 9) }
    GradientCheck(tensors) { $0.randomLoss($0.multiply($1[0], $1[1])) }.expectRight("product")
    GradientCheck([tensors[0]]) { $0.randomLoss($0.multiply($1[0], $1[0])) }.expectRight("square")
  }

  @Test("linear without a bias")
  func linearWithoutBias() {
    let tensors = [make.random(rows: 5, columns: 9), make.random(rows: 3, columns: 9)]
    GradientCheck(tensors) { $0.randomLoss($0.linear($1[0], weight: $1[1], bias: nil)) }
      .expectRight("linear without a bias")
  }

  @Test("lookup in a table")
  func lookup() {
    let ids = make.integers([3, 0, 3, 3, 1])
    GradientCheck([make.random(rows: 5, columns: 9)]) { tape, v in
      let space = tape.makeRowSpace(segments: make.segments([2, 0, 3]))
      return tape.randomLoss(tape.lookup(ids, in: v[0], space: space))
    }.expectRight("lookup")
  }

  @Test("activations at zero and far out")
  func activationCorners() {
    let corners: [Float] = [0, -0.0, 0.625, -0.625, 1, -1, 4, -4, 30, -30, 1e4, -1e4]
    let x = make.row(corners)
    GradientCheck([x]) { $0.randomLoss($0.tanh($1[0])) }.expectRight("tanh")
    GradientCheck([x]) { $0.randomLoss($0.sigmoid($1[0])) }.expectRight("sigmoid")
    // A value of 1e4 has steps of 1e-3, so differences of the loss know its derivative less well.
    GradientCheck([x]) { $0.randomLoss($0.gelu($1[0])) }.expectRight("GELU", tolerance: 1e-2)
  }

  @Test("layer normalisation", arguments: [2, 3, 9, 31])
  func layerNorm(width: Int) {
    let tensors = [
      make.random(rows: 4, columns: width, scale: 3), make.random(rows: 1, columns: width),
      make.random(rows: 1, columns: width),
    ]
    GradientCheck(tensors) { tape, v in
      tape.randomLoss(tape.layerNorm(v[0], gamma: v[1], beta: v[2], epsilon: 0.1))
    }.expectRight("layer normalisation")
  }

  @Test("layer normalisation of a row without variance")
  func layerNormOfConstantRow() {
    let x = make.tensor([2, 2, 2, 2, 2, 2, -1, 0, 1, 2, 3, 4], rows: 2, columns: 6)
    let gamma = make.random(rows: 1, columns: 6)
    let beta = make.random(rows: 1, columns: 6)
    // A large epsilon keeps the curvature within the steps of the check.
    GradientCheck([x, gamma, beta]) { tape, v in
      tape.randomLoss(tape.layerNorm(v[0], gamma: v[1], beta: v[2], epsilon: 1))
    }.expectRight("layer normalisation")
  }

  @Test("dropout", arguments: [0.0, 0.2, 0.9])
  func dropout(probability: Double) {
    let x = make.random(rows: 6, columns: 11)
    let groups = make.groups([1, 5])
    let randomness = Dropout.Randomness(seed: 1, step: 2, probability: probability)
    GradientCheck([x]) { tape, v in
      let rows = v[0].placed(in: tape.makeRowSpace(groups: groups))
      return tape.randomLoss(
        tape.dropout(rows, layer: Dropout(layer: "here"), randomness: randomness))
    }.expectRight("dropout")
  }

  @Test("dropout without randomness is the identity")
  func noDropout() {
    let x = make.random(rows: 2, columns: 3)
    let tape = Tape(arena: make.arena)
    let y = tape.dropout(
      .constant(x), layer: Dropout(layer: "here"), randomness: nil)
    #expect(y.value.pointer == x.pointer)
  }

  @Test("concatenation, scaling of rows and mean")
  func columns() {
    let (a, b, c) = (
      make.random(rows: 3, columns: 1), make.random(rows: 3, columns: 9),
      make.random(rows: 3, columns: 4)
    )
    GradientCheck([a, b, c]) { tape, v in tape.randomLoss(tape.concatenateColumns(tape.list(v))) }
      .expectRight("concatenation")
    GradientCheck([b]) { tape, v in tape.randomLoss(tape.scaleRows(v[0], by: a)) }
      .expectRight("scaling of rows")
    let same = (0..<3).map { _ in make.random(rows: 3, columns: 9) }
    GradientCheck(same) { tape, v in tape.randomLoss(tape.mean(tape.list(v))) }
      .expectRight("mean")
    GradientCheck([b]) { tape, v in tape.randomLoss(tape.mean(tape.list(v))) }
      .expectRight("mean of one")
  }

  @Test("weighted sum", arguments: [1, 2, 3])
  func weightedSum(count: Int) {
    let values = (0..<count).map { _ in make.random(rows: 4, columns: 9) }
    let weights = (0..<count).map { _ in make.random(rows: 4, columns: 1) }
    GradientCheck(values + weights) { tape, v in
      tape.randomLoss(
        tape.weightedSum(tape.list(Array(v[..<count])), weights: tape.list(Array(v[count...]))))
    }.expectRight("weighted sum")
    GradientCheck(values) { tape, v in
      tape.randomLoss(tape.weightedSum(tape.list(v), weights: nil))
    }.expectRight("plain sum")
  }
}

/// Gradient checks of the operations over groups of rows.
@Suite("Gradients of operations over groups")
struct GroupOperationTests {
  let make = TensorFactory(seed: 33)

  @Test("attention", arguments: [[1], [1, 1, 1], [4], [3, 1, 5]], [1, 2])
  func attention(lengths: [Int], headCount: Int) {
    let groups = make.groups(lengths)
    let tensors = (0..<3).map { _ in make.random(rows: groups.rowCount, columns: 8) }
    GradientCheck(tensors) { tape, v in
      let query = v[0].placed(in: tape.makeRowSpace(groups: groups))
      return tape.randomLoss(
        tape.attention(query: query, key: v[1], value: v[2], headCount: headCount))
    }.expectRight("attention over \(lengths)")
  }

  @Test("attention with constants among its inputs", arguments: 0..<3)
  func attentionWithConstant(constant: Int) {
    let groups = make.groups([3, 2])
    let tensors = (0..<3).map { _ in make.random(rows: 5, columns: 4) }
    let check = GradientCheck(
      tensors, isDifferentiated: (0..<3).map { $0 != constant }
    ) { tape, v in
      let query = v[0].placed(in: tape.makeRowSpace(groups: groups))
      return tape.randomLoss(tape.attention(query: query, key: v[1], value: v[2]))
    }
    check.expectRight("attention, input \(constant) constant")
    #expect(check.gradients()[constant] == nil)
  }

  @Test("attention of a tensor with itself")
  func attentionWithItself() {
    let groups = make.groups([3, 2])
    let x = make.random(rows: 5, columns: 4)
    GradientCheck([x]) { tape, v in
      let x = v[0].placed(in: tape.makeRowSpace(groups: groups))
      return tape.randomLoss(tape.attention(query: x, key: x, value: x))
    }.expectRight("attention of a tensor with itself")
  }

  @Test("attention weights over several tensors", arguments: [1, 2, 3])
  func attentionWeights(count: Int) {
    let tensors = (0...count).map { _ in make.random(rows: 4, columns: 9) }
    GradientCheck(tensors) { tape, v in
      let weights = tape.attentionWeights(query: v[0], keys: tape.list(Array(v[1...])))
      return weights.enumerated().reduce(0.0) { sum, weight in
        // A factor of its own for each weight, or their gradients would cancel.
        let scaled = tape.scaleRows(weight.element, by: make.row([1, -2, 0.5, 3]))
        return sum + (weight.offset == 0 ? tape.randomLoss(scaled) : 0)
          + tape.randomLoss(weight.element)
      }
    }.expectRight("attention weights over \(count)")
  }
}
