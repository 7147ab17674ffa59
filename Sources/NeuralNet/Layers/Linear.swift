import Autograd
import TensorCore

/// An affine map of every row, `y = x W^T + b`, or a linear one without b.
///
/// Parameters `<name>.weight` [outputs, inputs], uniform on ±1/sqrt(inputs), and `<name>.bias`
/// [outputs], zero.
package struct Linear: BitwiseCopyable, Sendable {
  let weight: ParameterID
  let bias: ParameterID?

  /// Declares the parameters.
  package init(
    _ name: String, inputs: Int, outputs: Int, hasBias: Bool = true,
    in layout: inout ParameterLayout
  ) {
    let bound = 1 / Float(inputs).squareRoot()
    weight = layout.declare(
      "\(name).weight", shape: [outputs, inputs], initializer: .uniform(bound: bound),
      isDecayed: true)
    bias =
      hasBias
      ? layout.declare(
        "\(name).bias", shape: [outputs], initializer: .constant(0), isDecayed: false)
      : nil
  }

  /// - Parameter x: [N, inputs].
  /// - Returns: [N, outputs].
  package func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    pass.tape.linear(x, weight: pass.parameters[weight], bias: bias.map { pass.parameters[$0] })
  }

  /// The map for the keys of an attention.
  ///
  /// The bias of the keys adds the same number to all logits of a softmax, so its gradient is zero.
  /// It is not computed, because rounding would make it a small number instead.
  ///
  /// - Parameter x: [N, inputs].
  /// - Returns: [N, outputs].
  package func keys(_ x: Variable, _ pass: Pass) -> Variable {
    pass.tape.linear(
      x, weight: pass.parameters[weight],
      bias: bias.map { .constant(pass.parameters[$0].value) })
  }

  /// The map of several tensors for the keys of an attention; see ``keys(_:_:)``.
  ///
  /// - Parameter xs: [N, inputs] each.
  /// - Returns: [N, outputs] each.
  package func keys(_ xs: VariableList, _ pass: Pass) -> VariableList {
    pass.tape.list(count: xs.count) { keys(xs[$0], pass) }
  }
}
