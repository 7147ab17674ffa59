import Autograd
import TensorCore
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
package struct GradientCheck {
  /// A thousand times below the error of a wrong element, a hundred times above the noise.
  package static let tolerance = 1e-3

  /// A loss as a function of variables, recorded on a tape.
  package typealias Loss = (_ tape: Tape, _ inputs: [Variable]) -> Double

  /// A loss and, where they are asked for, its gradients; nil stands for a gradient of zero.
  package typealias Evaluation = (
    _ inputs: [Tensor], _ differentiates: Bool
  ) -> (loss: Double, gradients: [[Float]?])

  private let inputs: [Tensor]
  private let isDifferentiated: [Bool]
  private let step: Float
  private let evaluate: Evaluation

  /// The check of a loss that is written in terms of variables.
  ///
  /// - Parameters:
  ///   - inputs: where the gradient is taken.
  ///   - isDifferentiated: which of them are differentiated, by default all; the others are
  ///     constants.
  ///   - step: h.
  ///   - loss: must depend on nothing else that changes.
  package init(
    _ inputs: [Tensor], isDifferentiated: [Bool]? = nil, step: Float = 1.0 / 32,
    loss: @escaping Loss
  ) {
    let isDifferentiated = isDifferentiated ?? inputs.map { _ in true }
    let arena = StepArena()
    self.init(inputs, isDifferentiated: isDifferentiated, step: step) { inputs, differentiates in
      let tape = Tape(arena: arena)
      tape.reset(recording: differentiates)
      let variables = zip(inputs, isDifferentiated).map { input, isDifferentiated in
        Variable(
          input, slot: differentiates && isDifferentiated ? arena.store(GradientSlot()) : nil)
      }
      let loss = loss(tape, variables)
      if differentiates { tape.backward() }
      return (loss, variables.map { $0.gradient?.values })
    }
  }

  /// The check of a loss whose inputs are not all variables, such as the parameters of a layer.
  ///
  /// - Parameters:
  ///   - inputs: where the gradients are taken.
  ///   - step: h.
  ///   - evaluation: the loss at inputs that have been moved, with a gradient for each.
  package init(
    evaluating inputs: [Tensor], step: Float = 1.0 / 32, _ evaluation: @escaping Evaluation
  ) {
    self.init(
      inputs, isDifferentiated: inputs.map { _ in true }, step: step, evaluate: evaluation)
  }

  private init(
    _ inputs: [Tensor], isDifferentiated: [Bool], step: Float, evaluate: @escaping Evaluation
  ) {
    self.inputs = inputs
    self.isDifferentiated = isDifferentiated
    self.step = step
    self.evaluate = evaluate
  }

  /// The gradients from the backward pass; nil where nothing was written.
  package func gradients() -> [[Float]?] { evaluate(inputs, true).gradients }

  /// The largest relative difference for each input, over a few directions; 0 for constants.
  package func differences(directions: Int = 3, seed: UInt64 = 1) -> [Double] {
    let gradients = zip(gradients(), inputs).map { $0 ?? [Float](repeating: 0, count: $1.count) }
    let sizes = gradients.map { $0.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
    // The loss has one rounding error for all inputs, which hides the gradients that are far
    // smaller than the largest.
    let floor = max(1e-2 * (sizes.max() ?? 0), 1e-3)
    return inputs.indices.map { index in
      guard isDifferentiated[index] else { return 0 }
      let gradient = gradients[index]
      var worst = 0.0
      for direction in 0..<directions {
        var stream = RandomStream(seed: seed, purpose: "direction", step: direction, item: index)
        let signs = gradient.map { _ in stream.nextWord32() & 1 == 0 ? Float(1) : -1 }
        let product = zip(gradient, signs).reduce(0) { $0 + Double($1.0 * $1.1) }
        let difference = abs(derivative(of: index, along: signs) - product)
        // A NaN must not pass: it counts as infinitely far.
        worst = difference.isNaN ? .infinity : max(worst, difference / max(sizes[index], floor))
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
    let memory = FloatBuffer(count: signs.count)
    for element in signs.indices {
      memory.pointer[element] = inputs[index].pointer[element] + distance * signs[element]
    }
    var moved = inputs
    moved[index] = Tensor(memory.pointer, rows: moved[index].rows, columns: moved[index].columns)
    return withExtendedLifetime(memory) { evaluate(moved, false).loss }
  }

  /// Records an issue for every input whose gradient is wrong.
  ///
  /// - Parameters:
  ///   - name: what is differentiated.
  ///   - inputNames: what the inputs are called, by default their positions.
  ///   - tolerance: the largest allowed relative difference.
  package func expectRight(
    _ name: String, inputNames: [String]? = nil, tolerance: Double = tolerance,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    for (index, difference) in differences().enumerated() {
      let input = inputNames?[index] ?? "input \(index)"
      #expect(
        difference <= tolerance, "\(name): gradient of \(input) is off by \(difference)",
        sourceLocation: sourceLocation)
    }
  }
}

extension Tape {
  /// A row space whose groups form one micro-batch.
  package func makeRowSpace(groups: RowGroups) -> RowSpace {
    let offsets = arena.allocate(Int.self, count: 2)
    _ = offsets.initialize(from: [0, groups.rowCount])
    return makeRowSpace(
      segments: RowSegments(offsets: UnsafeBufferPointer(offsets)), groups: groups)
  }

  /// A row space whose micro-batches have one group each, with identifiers from 0.
  package func makeRowSpace(segments: RowSegments) -> RowSpace {
    let identifiers = arena.allocate(Int.self, count: segments.count)
    _ = identifiers.initialize(from: 0..<segments.count)
    return makeRowSpace(
      segments: segments,
      groups: RowGroups(
        offsets: segments.offsets, identifiers: UnsafeBufferPointer(identifiers)))
  }

  /// A list of variables that exist already.
  package func list(_ variables: [Variable]) -> VariableList {
    list(count: variables.count) { variables[$0] }
  }

  /// A loss with a different derivative by every element: an inner product with fixed numbers.
  package func randomLoss(_ y: Variable) -> Double {
    let direction = arena.tensor(rows: y.value.rows, columns: y.value.columns)
    var stream = RandomStream(seed: 9, purpose: "projection", item: y.value.columns)
    for index in 0..<direction.count {
      direction.pointer[index] = 0.5 + stream.nextUniform()
      if stream.nextWord32() & 1 == 0 { direction.pointer[index].negate() }
    }
    return projection(y, onto: direction)
  }
}
