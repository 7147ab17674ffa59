import Autograd
import TensorCore
import TestSupport
import Testing

/// Compares the gradients of a loss with differences of the loss along random directions.
///
/// For an input x, a direction d of random signs and the derivative of the loss along d,
/// ```
/// (8 (L(x + h d) - L(x - h d)) - (L(x + 2 h d) - L(x - 2 h d))) / 12 h  =  g . d + O(h^4)
/// ```
/// so the cost does not grow with the number of elements. With h = 1/32 the truncation is about
/// 1e-6; the loss is a `Double` sum of numbers rounded to `Float`, whose errors of 6e-8 each
/// become about 1e-6 times the root of their number when they are divided by h. The difference is
/// measured against `|g|`, the size that `g . d` has for random signs, so it cannot look large
/// because the sum happens to cancel, and a single wrong element of n still shows as about
/// `1 / sqrt(n)`.
struct GradientCheck {
  /// A thousand times below the error of a wrong element, a hundred times above the noise.
  static let tolerance = 1e-3

  /// A loss as a function of variables, recorded on a tape.
  typealias Loss = (_ tape: Tape, _ inputs: [Variable]) -> Double

  /// The inputs at which the gradient is taken.
  let inputs: [Tensor]
  /// Which of them are differentiated; the others are constants.
  let isDifferentiated: [Bool]
  let loss: Loss
  private let step: Float
  private let arena = StepArena()

  init(
    _ inputs: [Tensor], isDifferentiated: [Bool]? = nil, step: Float = 1.0 / 32,
    loss: @escaping Loss
  ) {
    self.inputs = inputs
    self.isDifferentiated = isDifferentiated ?? inputs.map { _ in true }
    self.step = step
    self.loss = loss
  }

  /// The gradients from the tape; nil where nothing was written.
  func gradients() -> [[Float]?] {
    let tape = Tape(arena: arena)
    tape.reset(recording: true)
    let variables = zip(inputs, isDifferentiated).map { input, isDifferentiated in
      Variable(input, slot: isDifferentiated ? arena.store(GradientSlot()) : nil)
    }
    _ = loss(tape, variables)
    tape.backward()
    return variables.map { $0.gradient?.values }
  }

  /// The largest relative difference for each input, over a few directions; 0 for constants.
  func differences(directions: Int = 3, seed: UInt64 = 1) -> [Double] {
    let gradients = gradients()
    return inputs.indices.map { index in
      guard isDifferentiated[index] else { return 0 }
      let gradient = gradients[index] ?? inputs[index].values.map { _ in 0 }
      let size = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      var worst = 0.0
      for direction in 0..<directions {
        var stream = RandomStream(seed: seed, purpose: "direction", step: direction, item: index)
        let signs = gradient.map { _ in stream.nextWord32() & 1 == 0 ? Float(1) : -1 }
        let product = zip(gradient, signs).reduce(0) { $0 + Double($1.0 * $1.1) }
        let difference = abs(derivative(of: index, along: signs) - product)
        worst = max(worst, difference / max(size, 1e-3))
      }
      return worst
    }
  }

  private func derivative(of index: Int, along signs: [Float]) -> Double {
    let near =
      value(of: index, along: signs, distance: step)
      - value(of: index, along: signs, distance: -step)
    let far =
      value(of: index, along: signs, distance: 2 * step)
      - value(of: index, along: signs, distance: -2 * step)
    return (8 * near - far) / (12 * Double(step))
  }

  private func value(of index: Int, along signs: [Float], distance: Float) -> Double {
    let tape = Tape(arena: arena)
    tape.reset(recording: false)
    var variables = inputs.map(Variable.constant)
    let moved = arena.tensor(rows: inputs[index].rows, columns: inputs[index].columns)
    for element in signs.indices {
      moved.pointer[element] = inputs[index].pointer[element] + distance * signs[element]
    }
    variables[index] = .constant(moved)
    return loss(tape, variables)
  }

  /// Records an issue for every input whose gradient is wrong.
  func expectRight(
    _ name: String, tolerance: Double = tolerance,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    for (index, difference) in differences().enumerated() {
      #expect(
        difference <= tolerance, "\(name): gradient of input \(index) is off by \(difference)",
        sourceLocation: sourceLocation)
    }
  }
}

extension Tape {
  /// A list of variables that exist already.
  func list(_ variables: [Variable]) -> VariableList {
    list(count: variables.count) { variables[$0] }
  }

  /// A loss with a different derivative by every element: an inner product with fixed numbers.
  func randomLoss(_ y: Variable) -> Double {
    let direction = arena.tensor(rows: y.value.rows, columns: y.value.columns)
    var stream = RandomStream(seed: 9, purpose: "projection", item: y.value.columns)
    for index in 0..<direction.count {
      direction.pointer[index] = 0.5 + stream.nextUniform()
      if stream.nextWord32() & 1 == 0 { direction.pointer[index].negate() }
    }
    return projection(y, onto: direction)
  }
}
