import Autograd
import TensorCore

/// A one-layer long short-term memory over the rows of each group, in one or both directions.
///
/// Parameters have the names and layout of PyTorch's `nn.LSTM`: `<name>.weight_ih_l0` [4H, inputs],
/// `weight_hh_l0` [4H, H], `bias_ih_l0` and `bias_hh_l0` [4H], gate order i, f, g, o, and the same
/// with suffix `_reverse` for the second direction; all uniform on ±1/sqrt(H).
package struct LSTM: BitwiseCopyable, Sendable {
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
      name, isReverse: false, gates: LSTMDirection.gateCount, inputs: inputs, hidden: hidden,
      in: &layout)
    reverse =
      isBidirectional
      ? RecurrentParameters(
        name, isReverse: true, gates: LSTMDirection.gateCount, inputs: inputs, hidden: hidden,
        in: &layout)
      : nil
  }

  /// - Parameter x: packed rows, [N, inputs].
  /// - Returns: the hidden states, [N, H], or those of both directions side by side, [N, 2H].
  package func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    pass.tape.lstm(x, forward: forward.weights(pass), reverse: reverse?.weights(pass))
  }
}
