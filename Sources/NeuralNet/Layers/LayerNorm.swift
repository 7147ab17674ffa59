import Autograd
import TensorCore

/// Layer normalisation with a learned scale and shift (Ba, Kiros, Hinton 2016).
///
/// Parameters `<name>.weight` [width], one, and `<name>.bias` [width], zero; neither is decayed.
package struct LayerNorm: BitwiseCopyable, Sendable {
  let gamma: ParameterID
  let beta: ParameterID
  let epsilon: Float

  /// Declares the parameters.
  package init(
    _ name: String, width: Int, epsilon: Float = 1e-5, in layout: inout ParameterLayout
  ) {
    gamma = layout.declare(
      "\(name).weight", shape: [width], initializer: .constant(1), isDecayed: false)
    beta = layout.declare(
      "\(name).bias", shape: [width], initializer: .constant(0), isDecayed: false)
    self.epsilon = epsilon
  }

  /// - Parameter x: [N, width].
  package func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    pass.tape.layerNorm(
      x, gamma: pass.parameters[gamma], beta: pass.parameters[beta], epsilon: epsilon)
  }
}
