import Autograd
import NeuralNet
import TensorCore

/// The contribution-aware fusion mechanism (CFM), (10) to (16).
///
/// A teacher network classifies each modality. A student network learns to predict the probability
/// of the true emotion under the teacher (TCP, the true class probability), and its prediction is
/// the fusion weight of the modality.
struct ContributionFusion {
  private enum Weighting {
    case predicted(teachers: [Linear], students: [Linear])
    case attention(query: Linear, key: Linear)
    case equal
  }

  private let weighting: Weighting
  private let weight: Float
  private let teacherDropouts: [Dropout]
  private let studentDropouts: [Dropout]

  init(_ shape: DFERCShape, in layout: inout ParameterLayout) {
    weight = Float(shape.options.contribution)
    let names = shape.modalities.map { "\($0.modality)" }
    let width = shape.fusedWidth
    teacherDropouts = names.map { Dropout(layer: "cfm.classifier.\($0)") }
    studentDropouts = names.map { Dropout(layer: "cfm.contribution.\($0)") }
    if shape.hasContributionNetworks {
      let teachers = names.map {
        Linear("cfm.classifier.\($0)", inputs: width, outputs: shape.emotionCount, in: &layout)
      }
      let students = names.map {
        Linear("cfm.contribution.\($0)", inputs: width, outputs: 1, in: &layout)
      }
      weighting = .predicted(teachers: teachers, students: students)
    } else if shape.has(.cfmAttention) {
      let query = Linear("cfm.attention.query", inputs: width, outputs: width, in: &layout)
      let key = Linear("cfm.attention.key", inputs: width, outputs: width, in: &layout)
      weighting = .attention(query: query, key: key)
    } else {
      weighting = .equal
    }
  }

  /// The fusion weight w_m of every modality, [N, 1] each; nil where all are 1.
  func contributions(_ z: VariableList, _ pass: Pass) -> VariableList? {
    switch weighting {
    case .predicted(_, let students):
      pass.tape.list(count: z.count) { m in
        pass.tape.sigmoid(students[m](pass.dropout(z[m], studentDropouts[m]), pass))
      }
    case .attention(let query, let key):
      pass.tape.attentionWeights(
        query: query(pass.tape.mean(z), pass), keys: key.keys(z, pass))
    case .equal:
      nil
    }
  }

  /// Adds the losses of teachers, (13), and students, (14), over all modalities, (15), to the
  /// shares of the micro-batches.
  func addLosses(
    _ z: VariableList, contributions: VariableList?, labels: UnsafeBufferPointer<Int>,
    to losses: LossCollector, _ pass: Pass
  ) {
    guard case .predicted(let teachers, _) = weighting, let contributions else { return }
    let scale = losses.scales.utterance
    let rowWeight = weight * Float(scale)
    for m in 0..<z.count {
      let logits = teachers[m](pass.dropout(z[m], teacherDropouts[m]), pass)
      let (errors, probabilities) = pass.tape.crossEntropy(
        logits, labels: labels, weight: rowWeight)
      losses.add(errors, scale: scale, to: .classification)
      let target = trueClassProbability(probabilities, labels: labels, arena: pass.tape.arena)
      let squares = pass.tape.squaredError(contributions[m], target: target, weight: rowWeight)
      losses.add(squares, scale: scale, to: .regression)
    }
  }

  /// The softmax probability of the true label, (11), as a constant target, [N, 1].
  private func trueClassProbability(
    _ probabilities: Tensor, labels: UnsafeBufferPointer<Int>, arena: StepArena
  ) -> Tensor {
    let target = arena.tensor(rows: probabilities.rows, columns: 1)
    for row in 0..<probabilities.rows {
      target.pointer[row] = probabilities.row(row)[labels[row]]
    }
    return target
  }
}
