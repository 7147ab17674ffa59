import Autograd
import TensorCore

/// A one-layer bidirectional LSTM over the rows of each group.
///
/// Parameters have the names and layout of PyTorch's `nn.LSTM`: `weight_ih_l0` [4H, inputs],
/// `weight_hh_l0` [4H, H], `bias_ih_l0` and `bias_hh_l0` [4H], gate order i, f, g, o, and the same
/// with suffix `_reverse`; all uniform on ±1/sqrt(H).
package struct BidirectionalLSTM: BitwiseCopyable, Sendable {
  private struct Direction: BitwiseCopyable, Sendable {
    let input: ParameterID
    let recurrent: ParameterID
    let inputBias: ParameterID
    let recurrentBias: ParameterID

    init(
      _ name: String, suffix: String, inputs: Int, hidden: Int, in layout: inout ParameterLayout
    ) {
      let initializer = Initializer.uniform(bound: 1 / Float(hidden).squareRoot())
      func declare(_ part: String, _ shape: [Int], in layout: inout ParameterLayout) -> ParameterID
      {
        layout.declare(
          "\(name).\(part)_l0\(suffix)", shape: shape, initializer: initializer,
          isDecayed: shape.count == 2)
      }
      input = declare("weight_ih", [4 * hidden, inputs], in: &layout)
      recurrent = declare("weight_hh", [4 * hidden, hidden], in: &layout)
      inputBias = declare("bias_ih", [4 * hidden], in: &layout)
      recurrentBias = declare("bias_hh", [4 * hidden], in: &layout)
    }

    func weights(_ parameters: Parameters) -> LSTMWeights {
      LSTMWeights(
        input: parameters[input], recurrent: parameters[recurrent],
        inputBias: parameters[inputBias], recurrentBias: parameters[recurrentBias])
    }
  }

  private let forward: Direction
  private let reverse: Direction

  /// Declares the parameters of both directions.
  package init(_ name: String, inputs: Int, hidden: Int, in layout: inout ParameterLayout) {
    forward = Direction(name, suffix: "", inputs: inputs, hidden: hidden, in: &layout)
    reverse = Direction(name, suffix: "_reverse", inputs: inputs, hidden: hidden, in: &layout)
  }

  /// - Parameter x: packed rows, [N, inputs].
  /// - Returns: both hidden states side by side, [N, 2H].
  package func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    pass.tape.bidirectionalLSTM(
      x, forward: forward.weights(pass.parameters),
      reverse: reverse.weights(pass.parameters))
  }
}
