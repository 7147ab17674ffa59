import Autograd
import TensorCore
import TestSupport
import Testing

/// A square whose backward pass multiplies the right gradient by a factor, in some elements.
private struct SquareOperation: Operation {
  let x: Variable
  let y: Variable
  let factor: Float
  let firstWrong: Int

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, _ in
      for index in 0..<dx.count {
        dx.pointer[index] =
          2 * x.value.pointer[index] * dy.pointer[index] * (index < firstWrong ? 1 : factor)
      }
    }
  }
}

extension Tape {
  fileprivate func square(_ x: Variable, factor: Float = 1, firstWrong: Int = 0) -> Variable {
    let y = makeVariable(like: x)
    for index in 0..<x.value.count {
      y.value.pointer[index] = x.value.pointer[index] * x.value.pointer[index]
    }
    record(SquareOperation(x: x, y: y, factor: factor, firstWrong: firstWrong))
    return y
  }
}

/// The checker must find what is wrong, or all other checks mean nothing.
@Suite("The gradient checker")
struct GradientCheckTests {
  let make = TensorFactory(seed: 31)

  private func difference(_ operation: @escaping (Tape, Variable) -> Variable) -> Double {
    let x = make.random(rows: 6, columns: 9, scale: 2)
    return GradientCheck([x]) { tape, inputs in tape.randomLoss(operation(tape, inputs[0])) }
      .differences()[0]
  }

  @Test("passes a right gradient with room to spare")
  func right() {
    #expect(difference { $0.square($1) } < 0.1 * GradientCheck.tolerance)
  }

  @Test("finds a wrong factor, sign or element, and a gradient that is missing")
  func wrong() {
    #expect(difference { $0.square($1, factor: 0.5) } > 0.05)
    #expect(difference { $0.square($1, factor: -1) } > 0.05)
    #expect(difference { $0.square($1, factor: 1.01) } > 2 * GradientCheck.tolerance)
    // One wrong element of 54.
    #expect(difference { $0.square($1, factor: 0, firstWrong: 53) } > 0.01)
    #expect(difference { $0.square(.constant($1.value)) } > 0.05)
  }

  @Test("records an issue for a wrong gradient")
  func records() {
    let x = make.random(rows: 2, columns: 3)
    withKnownIssue {
      GradientCheck([x]) { $0.randomLoss($0.square($1[0], factor: 2)) }.expectRight("wrong square")
    }
  }
}
