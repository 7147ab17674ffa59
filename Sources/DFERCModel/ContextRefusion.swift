import Autograd
import NeuralNet
import TensorCore

/// The context refusion mechanism (CRM), (17) to (22).
///
/// Modalities are aligned around emotion prototypes; the less the aligned features of an utterance
/// agree, the more of the dialogue's context enters its representation.
struct ContextRefusion {
  private enum Encoder {
    case lstm(BidirectionalLSTM)
    case attention(SelfAttention)
    case absent
  }

  private let alignments: [Linear]
  private let dropouts: [Dropout]
  private let encoder: Encoder
  private let options: DFERCOptions

  init(_ options: DFERCOptions, in layout: inout ParameterLayout) {
    self.options = options
    let aligned = options.hasPrototypes ? options.modalities : []
    let names = aligned.map { "crm.alignment.\($0.modality)" }
    let width = options.fusedWidth
    alignments = names.map {
      Linear($0, inputs: width, outputs: options.alignmentWidth, in: &layout)
    }
    dropouts = names.map { Dropout(layer: $0) }
    if options.has(.crmAttention) {
      encoder = .attention(
        SelfAttention(
          "context.attention", inputs: width, outputs: options.contextWidth, in: &layout))
    } else {
      let lstm = BidirectionalLSTM(
        "context.lstm", inputs: width, hidden: options.contextHidden, in: &layout)
      // A context of weight zero is never computed; its parameters stay, with gradient zero.
      encoder = options.has(.crmZero) ? .absent : .lstm(lstm)
    }
  }

  /// `x_m = GELU(linear(dropout(z_m)))`, (17), [N, alignment width] each; nil where ablated.
  func align(_ z: VariableList, _ pass: Pass) -> VariableList? {
    guard options.hasPrototypes else { return nil }
    return pass.tape.list(count: z.count) { m in
      pass.tape.gelu(alignments[m](pass.dropout(z[m], dropouts[m]), pass))
    }
  }

  /// psi, the mean cosine over all pairs of modalities, (20), [N, 1]; constant in the backward pass.
  ///
  /// Ablations report the consistency that stands for their fixed context weight.
  func consistency(_ aligned: VariableList?, rows: Int, arena: StepArena) -> Tensor {
    let psi = arena.tensor(rows: rows, columns: 1)
    psi.fill(options.has(.crmZero) ? 1 : 0)
    guard let aligned, aligned.count > 1 else { return psi }
    let pairCount = aligned.count * (aligned.count - 1) / 2
    for a in 0..<aligned.count {
      for b in a + 1..<aligned.count {
        Prototypes.addCosines(
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
      .constant(pass.tape.arena.zeros(rows: fused.value.rows, columns: options.contextWidth))
    }
  }

  /// Adds the prototype loss (19) to the shares of the micro-batches.
  func addLoss(
    _ aligned: VariableList?, labels: UnsafeBufferPointer<Int>, prototypes: Tensor,
    scales: LossScales, weight: Float, to shares: LossShares, _ pass: Pass
  ) {
    guard let aligned else { return }
    for x in aligned {
      let sums = pass.tape.prototypeMargin(
        x, labels: labels, prototypes: prototypes, margin: options.loss.margin,
        weight: weight * Float(scales.aligned))
      shares.add(sums) { $0.prototype += scales.aligned * $1 }
    }
  }
}
