import Autograd
import NeuralNet
import TensorCore

// Shape letters: N utterances of the pass, M modalities in use, K emotions.

/// Maps the features of every modality to a common width: `s_m = dropout(tanh(W raw_m + b))`.
struct InputProjection {
  private let projections: [Linear]
  private let dropouts: [Dropout]
  private let names: [String]

  init(_ shape: DFERCShape, in layout: inout ParameterLayout) {
    projections = shape.modalities.map {
      Linear("input.\($0.modality)", inputs: $0.width, outputs: shape.options.width, in: &layout)
    }
    names = shape.modalities.map { "input.\($0.modality).weight" }
    dropouts = shape.modalities.map { Dropout(layer: "input.\($0.modality)") }
  }

  /// Whether a parameter is a weight of the projections.
  func owns(_ parameter: ParameterDescription) -> Bool { names.contains(parameter.name) }

  /// - Parameter raw: the features of each modality, [N, raw width].
  /// - Returns: s_m, [N, width] each.
  func callAsFunction(_ raw: VariableList, _ pass: Pass) -> VariableList {
    pass.tape.list(count: raw.count) { m in
      pass.dropout(pass.tape.tanh(projections[m](raw[m], pass)), dropouts[m])
    }
  }
}
