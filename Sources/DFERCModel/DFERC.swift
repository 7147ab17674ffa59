import Autograd
import NeuralNet
import TensorCore

/// DF-ERC (ACM MM 2023).
package struct DFERC: Model {
  /// The results of a forward pass that the losses depend on.
  package struct Output: ModelOutput {
    let disentangled: Disentanglement.Features?
    let fusionInputs: VariableList  // z_m [N, fused width]
    let aligned: VariableList?  // x_m [N, alignment width]
    let contributions: VariableList?  // w_m [N, 1]
    package let prediction: Prediction
  }

  /// The options of the model.
  package let options: DFERCOptions
  package let layout: ParameterLayout
  package let lossTerms: [LossTerm]
  private let shape: DFERCShape
  private let projection: InputProjection
  private let disentanglement: Disentanglement?
  private let fusion: ContributionFusion
  private let refusion: ContextRefusion
  private let classifier: Linear
  private let classifierDropout: Dropout

  /// Declares all layers; parameters get values from `Parameters`.
  ///
  /// - Parameters:
  ///   - options: the options of the model and of its loss.
  ///   - modalities: those in use, in the order of `Modality`; at least one.
  ///   - classCount: K, the number of emotions; at least 2.
  package init(_ options: DFERCOptions, modalities: [ModalityWidth], classCount: Int) {
    precondition(
      !modalities.isEmpty && classCount > 1,
      "\(modalities.count) modalities and \(classCount) classes")
    let shape = DFERCShape(options: options, modalities: modalities, emotionCount: classCount)
    var layout = ParameterLayout()
    projection = InputProjection(shape, in: &layout)
    disentanglement = shape.has(.noDDM) ? nil : Disentanglement(shape, in: &layout)
    fusion = ContributionFusion(shape, in: &layout)
    refusion = ContextRefusion(shape, in: &layout)
    classifier = Linear(
      "classifier", inputs: shape.fusedWidth + shape.contextWidth, outputs: classCount, in: &layout)
    classifierDropout = Dropout(layer: "classifier")
    self.options = options
    self.shape = shape
    self.layout = layout
    lossTerms = LossPart.allCases.map { $0.term(options) }
  }

  package var modalities: [ModalityWidth] { shape.modalities }
  package var classCount: Int { shape.emotionCount }
  package var dropout: Double { options.dropout }
  package var runningBuffers: RunningBufferLayout { refusion.prototypes.layout }
  package var resetsRunningBuffersEachEpoch: Bool { options.prototypeReset == .epoch }

  /// The fusion weight w_m of every modality (16), and psi (20).
  package var extras: [UtteranceExtra] {
    [
      UtteranceExtra(
        "contributions", tensor: "contribution", components: modalities.map { "\($0.modality)" }),
      UtteranceExtra("consistency"),
    ]
  }

  /// The raw features need no gradient.
  package var operationsPerUtterance: Double {
    layout.parameters.reduce(0) { sum, parameter in
      guard parameter.shape.count == 2 else { return sum }
      return sum + (projection.owns(parameter) ? 4 : 6) * Double(parameter.count)
    }
  }
}

// MARK: - Forward

extension DFERC {
  /// Projects, disentangles, aligns and fuses the modalities of every utterance, adds the context
  /// by its weight, and classifies.
  package func forward(_ batch: UtteranceBatch, _ pass: Pass) -> Output {
    let tape = pass.tape
    let s = projection(batch.features, pass)
    let disentangled = disentanglement.map { $0(s, pass) }
    let z = disentangled.map { residual(s, $0, tape) } ?? s
    let contributions = fusion.contributions(z, pass)
    let aligned = refusion.align(z, pass)
    let fused = tape.weightedSum(z, weights: contributions)
    let psi = refusion.consistency(aligned, rows: fused.value.rows, arena: tape.arena)
    let refused = refusion.refuse(fused, consistency: psi, pass)
    let logits = classifier(pass.dropout(refused, classifierDropout), pass)
    return Output(
      disentangled: disentangled, fusionInputs: z, aligned: aligned, contributions: contributions,
      prediction: Prediction(
        logits: logits, extras: extraColumns(contributions, psi, tape.arena)))
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

  /// The columns of ``extras``.
  private func extraColumns(
    _ contributions: VariableList?, _ psi: Tensor, _ arena: StepArena
  ) -> UnsafeBufferPointer<Tensor> {
    let count = shape.modalities.count
    let columns = arena.allocate(Tensor.self, count: count + 1)
    for m in 0..<count {
      columns.initializeElement(at: m, to: contributions?[m].value ?? ones(psi.rows, arena))
    }
    columns.initializeElement(at: count, to: psi)
    return UnsafeBufferPointer(columns)
  }

  private func ones(_ rows: Int, _ arena: StepArena) -> Tensor {
    let tensor = arena.tensor(rows: rows, columns: 1)
    tensor.fill(1)
    return tensor
  }
}

// MARK: - Losses

extension DFERC {
  /// All parts of the loss, (25), with prototypes that include the global batch.
  package func losses(
    _ output: Output, of batch: UtteranceBatch, sum: any GlobalSum, _ pass: Pass
  ) throws -> LossShares {
    let scales = LossScales(
      batch.counts, modalityCount: shape.modalities.count, reduction: options.reduction)
    let errors = pass.tape.crossEntropy(
      output.prediction.logits, labels: batch.labels, weight: Float(scales.utterance)
    ).sums
    let losses = LossCollector(
      scales: scales,
      shares: LossShares(
        count: errors.count, termCount: LossPart.allCases.count, arena: pass.tape.arena))
    losses.add(errors, scale: scales.utterance, to: .emotion)
    if let disentanglement, let features = output.disentangled {
      disentanglement.addLosses(features, to: losses, pass)
    }
    fusion.addLosses(
      output.fusionInputs, contributions: output.contributions, labels: batch.labels, to: losses,
      pass)
    if let aligned = output.aligned {
      try refusion.prototypes.stage(aligned, labels: batch.labels, sum: sum, pass)
      refusion.addLoss(aligned, labels: batch.labels, to: losses, pass)
    }
    return losses.shares
  }

  /// The loss, (25), summed in the order of the paper.
  package func loss(of parts: UnsafeBufferPointer<Double>) -> Double {
    func part(_ part: LossPart) -> Double { parts[part.rawValue] }
    let (a1, a2, a3) = (options.contrastive, options.contribution, options.prototype)
    return Double(Float(a1)) * (part(.contrastiveModality) + part(.contrastiveUtterance))
      + Double(Float(a2)) * (part(.classification) + part(.regression))
      + Double(Float(a3)) * part(.prototype) + part(.emotion)
  }
}
