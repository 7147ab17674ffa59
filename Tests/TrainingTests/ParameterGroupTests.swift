import Configuration
import NeuralNet
import Optimizing
import TensorCore
import TestSupport
import Testing

@testable import Training

/// Checks that the optimizer uses the rates of each parameter group.
@Suite("Parameter groups in the optimizer")
struct ParameterGroupTests {
  /// The first step of AdamW moves an element by its learning rate against the sign of its gradient,
  /// after the decay.
  @Test("rate, decay and trainability are those of the group, or of the run")
  func rates() {
    var layout = ParameterLayout()
    func declare(_ name: String, isDecayed: Bool = true) {
      _ = layout.declare(name, shape: [1], initializer: .constant(2), isDecayed: isDecayed)
    }
    declare("own")
    layout.declare(in: ParameterGroup("encoder", learningRate: 0.125)) { encoder in
      _ = encoder.declare("slow", shape: [1], initializer: .constant(2), isDecayed: true)
    }
    layout.declare(in: ParameterGroup("plain", weightDecay: 0)) { plain in
      _ = plain.declare("undecayed", shape: [1], initializer: .constant(2), isDecayed: true)
    }
    layout.declare(in: ParameterGroup("frozen", isTrainable: false)) { frozen in
      _ = frozen.declare("frozen", shape: [1], initializer: .constant(2), isDecayed: true)
    }
    declare("bias", isDecayed: false)
    var configuration = RunConfiguration()
    configuration.optimizer.learningRate = 0.5
    configuration.optimizer.weightDecay = 0.25
    let optimizer = AdamW(configuration, layout: layout, shard: 0..<layout.count)
    let parameters = Parameters(layout: layout)
    parameters.initialize(seed: 1)
    let gradients = FloatBuffer(count: layout.count)
    gradients.elements.update(repeating: 1)
    optimizer.update(
      parameters.values.pointer, gradients: gradients.pointer, gradientScale: 1, rateFactor: 1,
      workers: .single)
    let values = layout.parameters.map { parameters.tensor(of: $0).values[0] }
    // epsilon is 1e-8 of the gradient.
    expectClose(
      values, [2 - 0.5 * 0.25 * 2 - 0.5, 2 - 0.125 * 0.25 * 2 - 0.125, 2 - 0.5, 2, 2 - 0.5],
      tolerance: 1e-6, "values")
  }
}
