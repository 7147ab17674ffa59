import Autograd
import TensorCore

/// Self-attention of every row over the rows of its group, without a mask.
///
/// Query, key and value are linear maps named `<name>.query`, `<name>.key`, `<name>.value`.
package struct SelfAttention: BitwiseCopyable, Sendable {
  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let headCount: Int

  /// Declares the parameters of the three maps.
  package init(
    _ name: String, inputs: Int, outputs: Int, headCount: Int = 1, in layout: inout ParameterLayout
  ) {
    query = Linear("\(name).query", inputs: inputs, outputs: outputs, in: &layout)
    key = Linear("\(name).key", inputs: inputs, outputs: outputs, in: &layout)
    value = Linear("\(name).value", inputs: inputs, outputs: outputs, in: &layout)
    self.headCount = headCount
  }

  /// - Parameter x: [N, inputs].
  /// - Returns: [N, outputs].
  package func callAsFunction(_ x: Variable, _ pass: Pass) -> Variable {
    pass.tape.attention(
      query: query(x, pass), key: key.keys(x, pass), value: value(x, pass),
      headCount: headCount)
  }
}
