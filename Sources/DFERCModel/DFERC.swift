import Autograd
import NeuralNet
import TensorCore

/// The dialogues of one pass: rows packed one after another, without padding.
///
/// They may be those of several micro-batches, one after another.
package struct DialogueBatch: BitwiseCopyable {
  /// The raw features of each modality in use, [N, raw width].
  package let features: UnsafeBufferPointer<Tensor>
  /// Which rows belong to which dialogue.
  package let dialogues: RowGroups
  /// The emotion of every row, 0 ..< K; empty where emotions are not known.
  package let labels: UnsafeBufferPointer<Int>

  /// - Parameters:
  ///   - features: one tensor for each modality in use.
  ///   - dialogues: which rows belong to which dialogue.
  ///   - labels: one for each row, or none.
  package init(
    features: UnsafeBufferPointer<Tensor>, dialogues: RowGroups, labels: UnsafeBufferPointer<Int>
  ) {
    self.features = features
    self.dialogues = dialogues
    self.labels = labels
  }
}

/// DF-ERC (ACM MM 2023): the forward pass and the losses of one or several micro-batches.
///
/// A training step runs ``encode(_:_:)``, gathers prototype statistics over all ranks, then runs
/// ``predict(_:_:)`` and ``losses(_:_:labels:prototypes:scales:_:)`` on the same tape. The model
/// does not know of ranks.
package struct DFERC {
  /// The representation of every utterance before context enters.
  package struct Encoding {
    let disentangled: Disentanglement.Features?
    let fusionInputs: VariableList  // z_m [N, fused width]
    let aligned: VariableList?  // x_m [N, alignment width]
    let contributions: VariableList?  // w_m [N, 1]
    let fused: Variable  // f [N, fused width]
  }

  /// The outcome for every utterance.
  package struct Prediction {
    /// The logits of all emotions, [N, K].
    package let logits: Variable
    /// psi, [N, 1].
    package let consistency: Tensor
    private let contributions: VariableList?

    fileprivate init(logits: Variable, consistency: Tensor, contributions: VariableList?) {
      self.logits = logits
      self.consistency = consistency
      self.contributions = contributions
    }

    /// w_m of one row for the modality at a position of ``DFERCOptions/modalities``.
    package func contribution(modality: Int, row: Int) -> Float {
      contributions.map { $0[modality].value.pointer[row] } ?? 1
    }
  }

  /// What the model was built from.
  package let options: DFERCOptions
  /// All parameters, in the order in which they lie in the flat buffers.
  package let layout: ParameterLayout
  private let projection: InputProjection
  private let disentanglement: Disentanglement?
  private let fusion: ContributionFusion
  private let refusion: ContextRefusion
  private let classifier: Linear
  private let classifierDropout: Dropout

  /// Declares all layers; parameters get values from ``Parameters``.
  package init(_ options: DFERCOptions) {
    var layout = ParameterLayout()
    self.options = options
    projection = InputProjection(options, in: &layout)
    disentanglement = options.has(.noDDM) ? nil : Disentanglement(options, in: &layout)
    fusion = ContributionFusion(options, in: &layout)
    refusion = ContextRefusion(options, in: &layout)
    classifier = Linear(
      "classifier", inputs: options.fusedWidth + options.contextWidth,
      outputs: options.emotionCount, in: &layout)
    classifierDropout = Dropout(layer: "classifier")
    self.layout = layout
  }

  /// Projects, disentangles, weighs and aligns the modalities of every utterance.
  package func encode(_ batch: DialogueBatch, _ pass: Pass) -> Encoding {
    let tape = pass.tape
    let raw = tape.list(count: batch.features.count) { .constant(batch.features[$0]) }
    let s = projection(raw, pass)
    let disentangled = disentanglement.map { $0(s, pass) }
    let z = disentangled.map { residual(s, $0, tape) } ?? s
    let contributions = fusion.contributions(z, pass)
    return Encoding(
      disentangled: disentangled, fusionInputs: z, aligned: refusion.align(z, pass),
      contributions: contributions, fused: tape.weightedSum(z, weights: contributions))
  }

  /// `z_m = [s_m ; m_m ; u_m]`, (6) to (8).
  private func residual(
    _ s: VariableList, _ features: Disentanglement.Features, _ tape: Tape
  ) -> VariableList {
    tape.list(count: s.count) { m in
      tape.concatenateColumns(
        tape.list(count: 3) { part in
          part == 0 ? s[m] : part == 1 ? features.modality[m] : features.utterance[m]
        })
    }
  }

  /// Adds the aligned features of every label, and how many there are, to a batch's statistics.
  ///
  /// - Parameters:
  ///   - rows: those of one micro-batch.
  ///   - labels: of all rows.
  ///   - statistics: sums [K, alignment width], then counts [K].
  package func addPrototypeStatistics(
    _ encoding: Encoding, rows: Range<Int>, labels: UnsafeBufferPointer<Int>,
    to statistics: UnsafeMutableBufferPointer<Double>
  ) {
    guard let aligned = encoding.aligned else { return }
    let labels = UnsafeBufferPointer(rebasing: labels[rows])
    for x in aligned {
      Prototypes.accumulate(x.value.rows(rows), labels: labels, into: statistics)
    }
    let firstCount = options.emotionCount * options.alignmentWidth
    for label in labels { statistics[firstCount + label] += Double(aligned.count) }
  }

  /// Brings in context where modalities disagree, and classifies, (20) to (23).
  package func predict(_ encoding: Encoding, _ pass: Pass) -> Prediction {
    let fused = encoding.fused
    let psi = refusion.consistency(
      encoding.aligned, rows: fused.value.rows, arena: pass.tape.arena)
    let refused = refusion.refuse(fused, consistency: psi, pass)
    let logits = classifier(pass.dropout(refused, classifierDropout), pass)
    return Prediction(logits: logits, consistency: psi, contributions: encoding.contributions)
  }

  /// Every micro-batch's share of every part of the loss, (25).
  ///
  /// - Parameters:
  ///   - labels: the emotion of every row.
  ///   - prototypes: R with this global batch taken in, [K, alignment width].
  ///   - scales: from the counts of the global batch.
  package func losses(
    _ encoding: Encoding, _ prediction: Prediction, labels: UnsafeBufferPointer<Int>,
    prototypes: Tensor, scales: LossScales, _ pass: Pass
  ) -> LossShares {
    let weights = options.loss
    let errors = pass.tape.crossEntropy(
      prediction.logits, labels: labels, weight: Float(scales.utterance)
    ).sums
    let shares = LossShares(count: errors.count, arena: pass.tape.arena)
    shares.add(errors) { $0.emotion = scales.utterance * $1 }
    if let disentanglement, let features = encoding.disentangled {
      disentanglement.addLosses(
        features, scales: scales, weight: weights.contrastive, to: shares, pass)
    }
    fusion.addLosses(
      encoding.fusionInputs, contributions: encoding.contributions, labels: labels,
      scales: scales, weight: weights.contribution, to: shares, pass)
    refusion.addLoss(
      encoding.aligned, labels: labels, prototypes: prototypes, scales: scales,
      weight: weights.prototype, to: shares, pass)
    return shares
  }
}
