import Autograd
import TensorCore

/// A one-layer gated recurrent unit over the rows of each group, in one or both directions.
///
/// Parameters have the names and layout of PyTorch's `nn.GRU`: `<name>.weight_ih_l0` [3H, inputs],
/// `weight_hh_l0` [3H, H], `bias_ih_l0` and `bias_hh_l0` [3H], gate order r, z, n, and the same
/// with suffix `_reverse` for the second direction; all uniform on ±1/sqrt(H).
package struct GRU: BitwiseCopyable, Sendable {
  private let forward: RecurrentParameters
  private let reverse: RecurrentParameters?

  /// Declares the parameters.
  ///
  /// - Parameters:
  ///   - name: the first part of the names of all parameters.
  ///   - inputs: the width of the input.
  ///   - hidden: H, the hidden width of each direction.
  ///   - isBidirectional: whether each group is also read from its last row to its first.
  ///   - layout: where the parameters are declared.
  package init(
    _ name: String, inputs: Int, hidden: Int, isBidirectional: Bool,
    in layout: inout ParameterLayout
  ) {
    forward = RecurrentParameters(
      name, isReverse: false, gates: GRUDirection.gateCount, inputs: inputs, hidden: hidden,
      in: &layout)
    reverse =
      isBidirectional
      ? RecurrentParameters(
        name, isReverse: true, gates: GRUDirection.gateCount, inputs: inputs, hidden: hidden,
        in: &layout)
      : nil
  }

  /// - Parameter x: packed rows, [N, inputs].
  /// - Returns: the hidden states, [N, H], or those of both directions side by side, [N, 2H].
  package func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    pass.tape.gru(x, forward: forward.weights(pass), reverse: reverse?.weights(pass))
  }
}
