import Autograd
import TensorCore

/// The parameters of one direction of a recurrence with the names and layout of PyTorch.
///
/// `<name>.weight_ih_l0` [G H, inputs], `<name>.weight_hh_l0` [G H, H], `<name>.bias_ih_l0` and
/// `<name>.bias_hh_l0` [G H], with suffix `_reverse` for the opposite direction; all uniform on
/// ±1/sqrt(H). G gates, H hidden width.
struct RecurrentParameters: BitwiseCopyable, Sendable {
  private let input: ParameterID
  private let recurrent: ParameterID
  private let inputBias: ParameterID
  private let recurrentBias: ParameterID

  /// Declares the parameters.
  init(
    _ name: String, isReverse: Bool, gates: Int, inputs: Int, hidden: Int,
    in layout: inout ParameterLayout
  ) {
    let initializer = Initializer.uniform(bound: 1 / Float(hidden).squareRoot())
    let suffix = isReverse ? "_reverse" : ""
    func declare(_ part: String, _ shape: [Int], in layout: inout ParameterLayout) -> ParameterID {
      layout.declare(
        "\(name).\(part)_l0\(suffix)", shape: shape, initializer: initializer,
        isDecayed: shape.count == 2)
    }
    input = declare("weight_ih", [gates * hidden, inputs], in: &layout)
    recurrent = declare("weight_hh", [gates * hidden, hidden], in: &layout)
    inputBias = declare("bias_ih", [gates * hidden], in: &layout)
    recurrentBias = declare("bias_hh", [gates * hidden], in: &layout)
  }

  /// The parameters as variables of a pass.
  func weights(_ pass: Pass) -> RecurrentWeights {
    RecurrentWeights(
      input: pass.parameters[input], recurrent: pass.parameters[recurrent],
      inputBias: pass.parameters[inputBias], recurrentBias: pass.parameters[recurrentBias])
  }
}
