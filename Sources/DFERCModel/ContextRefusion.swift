import Autograd
import NeuralNet
import TensorCore

/// The context refusion mechanism (CRM), (17) to (22).
///
/// The features of all modalities are aligned to emotion prototypes. The weight of the context of a
/// dialogue in the representation of an utterance is 1 minus the mean cosine between its aligned
/// features.
struct ContextRefusion {
  private enum Encoder {
    case lstm(LSTM)
    case attention(SelfAttention)
    case absent
  }

  private let alignments: [Linear]
  private let dropouts: [Dropout]
  private let encoder: Encoder
  private let shape: DFERCShape
  /// The prototypes R with their sums S and counts N, (18).
  let prototypes: EmotionPrototypes

  init(_ shape: DFERCShape, in layout: inout ParameterLayout) {
    self.shape = shape
    prototypes = EmotionPrototypes(shape)
    let aligned = shape.hasPrototypes ? shape.modalities : []
    let names = aligned.map { "crm.alignment.\($0.modality)" }
    let width = shape.fusedWidth
    alignments = names.map {
      Linear($0, inputs: width, outputs: shape.options.alignmentWidth, in: &layout)
    }
    dropouts = names.map { Dropout(layer: $0) }
    if shape.has(.crmAttention) {
      encoder = .attention(
        SelfAttention(
          "context.attention", inputs: width, outputs: shape.contextWidth, in: &layout))
    } else {
      let lstm = LSTM(
        "context.lstm", inputs: width, hidden: shape.options.contextHidden, isBidirectional: true,
        in: &layout)
      // A context of weight zero is not computed; its parameters remain, with gradient zero.
      encoder = shape.has(.crmZero) ? .absent : .lstm(lstm)
    }
  }

  /// `x_m = GELU(linear(dropout(z_m)))`, (17), [N, alignment width] each; nil where ablated.
  func align(_ z: VariableList, _ pass: Pass) -> VariableList? {
    guard shape.hasPrototypes else { return nil }
    return pass.tape.list(count: z.count) { m in
      pass.tape.gelu(alignments[m](pass.dropout(z[m], dropouts[m]), pass))
    }
  }

  /// psi, the mean cosine over all pairs of modalities, (20), [N, 1]; constant in the backward
  /// pass.
  ///
  /// With an ablation of this block it is 1 minus the fixed weight of the context.
  func consistency(_ aligned: VariableList?, rows: Int, arena: StepArena) -> Tensor {
    let psi = arena.tensor(rows: rows, columns: 1)
    psi.fill(shape.has(.crmZero) ? 1 : 0)
    guard let aligned, aligned.count > 1 else { return psi }
    let pairCount = aligned.count * (aligned.count - 1) / 2
    for a in 0..<aligned.count {
      for b in a + 1..<aligned.count {
        Cosine.addRows(
          aligned[a].value, aligned[b].value, scale: 1 / Float(pairCount), into: psi)
      }
    }
    return psi
  }

  /// `e = [f ; (1 - psi) c]`, (21) and (22), [N, fused width + context width].
  func refuse(_ fused: Variable, consistency psi: Tensor, _ pass: Pass) -> Variable {
    let weight = pass.tape.arena.tensor(rows: psi.rows, columns: 1)
    for row in 0..<psi.rows { weight.pointer[row] = 1 - psi.pointer[row] }
    let context = pass.tape.scaleRows(encode(fused, pass), by: weight)
    return pass.tape.concatenateColumns(pass.tape.list(count: 2) { $0 == 0 ? fused : context })
  }

  /// c, [N, context width].
  private func encode(_ fused: Variable, _ pass: Pass) -> Variable {
    switch encoder {
    case .lstm(let lstm): lstm(fused, pass)
    case .attention(let attention): attention(fused, pass)
    case .absent:
      .constant(pass.tape.arena.zeros(rows: fused.value.rows, columns: shape.contextWidth))
    }
  }

  /// Adds the prototype loss, (19), to the shares of the micro-batches.
  func addLoss(
    _ aligned: VariableList, labels: UnsafeBufferPointer<Int>, to losses: LossCollector,
    _ pass: Pass
  ) {
    let scale = losses.scales.aligned
    let weight = Float(shape.options.prototype) * Float(scale)
    let prototypes = prototypes.staged(pass)
    for x in aligned {
      let sums = pass.tape.marginLoss(
        x, labels: labels, targets: prototypes,
        margin: Float(shape.options.margin), weight: weight)
      losses.add(sums, scale: scale, to: .prototype)
    }
  }
}
